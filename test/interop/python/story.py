"""Tells the story of story.ts over gRPC: story.py ADDRESS ADMIN_TOKEN PEOPLE. Prints what it saw as JSON."""

import json
import sys
import time

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from users.v1 import command_service_pb2 as commands
from users.v1 import command_service_pb2_grpc, query_service_pb2_grpc, user_pb2
from users.v1 import query_service_pb2 as queries

DEADLINE = 10  # seconds


def seen_user(user):
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "status": user_pb2.UserStatus.Name(user.status),
        "version": user.version,
        "hasLoggedIn": user.HasField("last_login_at"),
    }


def refused(call, request, metadata=None):
    try:
        answer = call(request, metadata=metadata, timeout=DEADLINE)
    except grpc.RpcError as error:
        return seen_error(rpc_status.from_call(error))
    raise AssertionError(f"expected an error, got {answer}")


def seen_error(status):
    seen = {"code": status.code, "message": status.message}
    info, resource, bad = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.ResourceInfo(),
        error_details_pb2.BadRequest(),
    )
    for detail in status.details:
        if detail.Unpack(info):
            seen |= {"reason": info.reason, "domain": info.domain}
        elif detail.Unpack(resource):
            seen["resource"] = {"type": resource.resource_type, "name": resource.resource_name}
        elif detail.Unpack(bad):
            seen["violations"] = [
                {"field": broken.field, "description": broken.description, "reason": broken.reason}
                for broken in bad.field_violations
            ]
    return seen


def bearer(token):
    return ("authorization", f"Bearer {token}")


def create(command_service, person):
    answer = command_service.CreateUser(commands.CreateUserRequest(**person), timeout=DEADLINE)
    return seen_user(answer.user)


def list_pages(query_service, admin_token):
    page_token = ""
    for _ in range(2):
        page = query_service.ListUsers(
            queries.ListUsersRequest(page_size=1, page_token=page_token, include_total=True),
            metadata=[bearer(admin_token), ("cqrs-consistency", "strong")],
            timeout=DEADLINE,
        )
        page_token = page.next_page_token
        yield {"ids": [user.id for user in page.users], "totalSize": page.total_size, "hasNext": page_token != ""}


def tell(channel, admin_token, people):
    command_service = command_service_pb2_grpc.CommandServiceStub(channel)
    query_service = query_service_pb2_grpc.QueryServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    ada, bob, invalid = people["ada"], people["bob"], people["invalid"]

    created = [create(command_service, person) for person in (ada, bob)]
    login = command_service.LogIn(
        commands.LogInRequest(email=ada["email"], password=ada["password"]), timeout=DEADLINE
    )
    myself = queries.GetUserRequest(user_id=login.user.id)
    # The replica may not have the new user yet.
    read, call = query_service.GetUser.with_call(
        myself,
        metadata=[bearer(login.access_token), ("cqrs-consistency", "strong")],
        timeout=DEADLINE,
    )
    return {
        "created": created,
        "loggedIn": {
            "user": seen_user(login.user),
            "expiresInSeconds": login.expires_at.seconds - time.time(),
        },
        "read": seen_user(read.user) | {"servedBy": dict(call.initial_metadata()).get("cqrs-served-by")},
        "pages": list(list_pages(query_service, admin_token)),
        "errors": {
            "emailTaken": refused(command_service.CreateUser, commands.CreateUserRequest(**ada)),
            "invalid": refused(command_service.CreateUser, commands.CreateUserRequest(**invalid)),
            "wrongPassword": refused(
                command_service.LogIn, commands.LogInRequest(email=ada["email"], password=bob["password"])
            ),
            "noToken": refused(query_service.GetUser, myself),
        },
        "health": {
            name: health_pb2.HealthCheckResponse.ServingStatus.Name(
                health.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE).status
            )
            for name in ("", "users.v1.QueryService")
        },
    }


if __name__ == "__main__":
    _, address, admin_token, people = sys.argv
    with grpc.insecure_channel(address) as channel:
        print(json.dumps(tell(channel, admin_token, json.loads(people))))
