import { status } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { GrpcMethod, RpcException } from '@nestjs/microservices';
import { ChangeNameCommand } from './change-name.command.js';
import { GetUserQuery } from './get-user.query.js';
import { ListUsersQuery } from './list-users.query.js';
import type { User } from './user.entity.js';
import { toMessage } from './user.message.js';

@Controller()
export class UsersController {
  constructor(
    private readonly commandBus: CommandBus,
    private readonly queryBus: QueryBus,
  ) {}

  @GrpcMethod('QueryService', 'GetUser')
  async getUser(request: { userId: string }): Promise<object> {
    return { user: toMessage(found(await this.queryBus.execute(new GetUserQuery(request.userId)))) };
  }

  @GrpcMethod('QueryService', 'ListUsers')
  async listUsers(request: { pageSize: number }): Promise<object> {
    const users = await this.queryBus.execute(new ListUsersQuery(request.pageSize));
    return { users: users.map(toMessage) };
  }

  @GrpcMethod('CommandService', 'ChangeName')
  async changeName(request: { userId: string; name: string }): Promise<object> {
    return { user: toMessage(found(await this.commandBus.execute(new ChangeNameCommand(request.userId, request.name)))) };
  }
}

function found(user: User | null): User {
  if (!user) throw new RpcException({ code: status.NOT_FOUND, message: 'there is no such user' });
  return user;
}
