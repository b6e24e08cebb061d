// Tells the story of story.ts over gRPC: main ADDRESS ADMIN_TOKEN PEOPLE. Prints what it saw as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	usersv1 "bicameral.test/interop/go/gen/users/v1"
)

type person struct{ Email, Name, Password string }

type people struct{ Ada, Bob, Invalid person }

type seenUser struct {
	ID          string `json:"id"`
	Email       string `json:"email"`
	Name        string `json:"name"`
	Status      string `json:"status"`
	Version     int64  `json:"version"`
	HasLoggedIn bool   `json:"hasLoggedIn"`
}

type readUser struct {
	seenUser
	ServedBy string `json:"servedBy"`
}

type seenLogin struct {
	User             seenUser `json:"user"`
	ExpiresInSeconds float64  `json:"expiresInSeconds"`
}

type seenPage struct {
	IDs       []string `json:"ids"`
	TotalSize int64    `json:"totalSize"`
	HasNext   bool     `json:"hasNext"`
}

type resource struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
	Reason      string `json:"reason"`
}

type seenError struct {
	Code       uint32      `json:"code"`
	Message    string      `json:"message"`
	Reason     string      `json:"reason"`
	Domain     string      `json:"domain"`
	Resource   *resource   `json:"resource,omitempty"`
	Violations []violation `json:"violations,omitempty"`
}

type story struct {
	Created  []seenUser           `json:"created"`
	LoggedIn seenLogin            `json:"loggedIn"`
	Read     readUser             `json:"read"`
	Pages    []seenPage           `json:"pages"`
	Errors   map[string]seenError `json:"errors"`
	Health   map[string]string    `json:"health"`
}

type client struct {
	commands usersv1.CommandServiceClient
	queries  usersv1.QueryServiceClient
	health   grpc_health_v1.HealthClient
}

func main() {
	address, adminToken := os.Args[1], os.Args[2]
	var cast people
	must(json.Unmarshal([]byte(os.Args[3]), &cast))
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	told, err := client{
		usersv1.NewCommandServiceClient(connection),
		usersv1.NewQueryServiceClient(connection),
		grpc_health_v1.NewHealthClient(connection),
	}.tell(ctx, adminToken, cast)
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(told))
}

func (c client) tell(ctx context.Context, adminToken string, cast people) (told story, err error) {
	for _, somebody := range []person{cast.Ada, cast.Bob} {
		created, err := c.commands.CreateUser(ctx, creationOf(somebody))
		if err != nil {
			return told, fmt.Errorf("create %s: %w", somebody.Email, err)
		}
		told.Created = append(told.Created, seen(created.GetUser()))
	}

	login, err := c.commands.LogIn(ctx, &usersv1.LogInRequest{Email: cast.Ada.Email, Password: cast.Ada.Password})
	if err != nil {
		return told, fmt.Errorf("log in: %w", err)
	}
	told.LoggedIn = seenLogin{seen(login.GetUser()), time.Until(login.GetExpiresAt().AsTime()).Seconds()}

	myself := &usersv1.GetUserRequest{UserId: login.GetUser().GetId()}
	var header metadata.MD
	read, err := c.queries.GetUser(asCaller(ctx, login.GetAccessToken()), myself, grpc.Header(&header))
	if err != nil {
		return told, fmt.Errorf("read: %w", err)
	}
	told.Read = readUser{seenUser: seen(read.GetUser())}
	if servedBy := header.Get("cqrs-served-by"); len(servedBy) == 1 {
		told.Read.ServedBy = servedBy[0]
	}

	if told.Pages, err = c.listPages(asCaller(ctx, adminToken)); err != nil {
		return told, fmt.Errorf("list: %w", err)
	}

	_, emailTaken := c.commands.CreateUser(ctx, creationOf(cast.Ada))
	_, invalid := c.commands.CreateUser(ctx, creationOf(cast.Invalid))
	_, wrongPassword := c.commands.LogIn(ctx, &usersv1.LogInRequest{Email: cast.Ada.Email, Password: cast.Bob.Password})
	_, noToken := c.queries.GetUser(ctx, myself)
	told.Errors = map[string]seenError{
		"emailTaken":    decoded(emailTaken),
		"invalid":       decoded(invalid),
		"wrongPassword": decoded(wrongPassword),
		"noToken":       decoded(noToken),
	}

	told.Health = map[string]string{}
	for _, service := range []string{"", usersv1.QueryService_ServiceDesc.ServiceName} {
		answer, err := c.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			return told, fmt.Errorf("health of %q: %w", service, err)
		}
		told.Health[service] = answer.GetStatus().String()
	}
	return told, nil
}

func (c client) listPages(ctx context.Context) (pages []seenPage, err error) {
	pageToken := ""
	for range 2 {
		request := &usersv1.ListUsersRequest{PageSize: 1, PageToken: pageToken, IncludeTotal: true}
		page, err := c.queries.ListUsers(ctx, request)
		if err != nil {
			return nil, err
		}
		pageToken = page.GetNextPageToken()
		seen := seenPage{TotalSize: page.GetTotalSize(), HasNext: pageToken != ""}
		for _, user := range page.GetUsers() {
			seen.IDs = append(seen.IDs, user.GetId())
		}
		pages = append(pages, seen)
	}
	return pages, nil
}

// asCaller sends a token, and asks for the primary: the replica may not have the new users yet.
func asCaller(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token, "cqrs-consistency", "strong")
}

func creationOf(somebody person) *usersv1.CreateUserRequest {
	return &usersv1.CreateUserRequest{Email: somebody.Email, Name: somebody.Name, Password: somebody.Password}
}

func seen(user *usersv1.User) seenUser {
	return seenUser{
		ID:          user.GetId(),
		Email:       user.GetEmail(),
		Name:        user.GetName(),
		Status:      user.GetStatus().String(),
		Version:     user.GetVersion(),
		HasLoggedIn: user.GetLastLoginAt() != nil,
	}
}

func decoded(err error) seenError {
	answer := status.Convert(err)
	seen := seenError{Code: uint32(answer.Code()), Message: answer.Message()}
	for _, detail := range answer.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			seen.Reason, seen.Domain = detail.GetReason(), detail.GetDomain()
		case *errdetails.ResourceInfo:
			seen.Resource = &resource{detail.GetResourceType(), detail.GetResourceName()}
		case *errdetails.BadRequest:
			for _, broken := range detail.GetFieldViolations() {
				seen.Violations = append(seen.Violations, violation{broken.GetField(), broken.GetDescription(), broken.GetReason()})
			}
		}
	}
	return seen
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
