import { MikroOrmModule } from '@mikro-orm/nestjs';
import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ChangeNameHandler } from './change-name.command.js';
import { FailureFilter } from './failure.filter.js';
import { GetUserHandler } from './get-user.query.js';
import { ListUsersHandler } from './list-users.query.js';
import { User } from './user.entity.js';
import { UsersController } from './users.controller.js';

@Module({
  imports: [MikroOrmModule.forFeature([User])],
  controllers: [UsersController],
  providers: [GetUserHandler, ListUsersHandler, ChangeNameHandler, { provide: APP_FILTER, useClass: FailureFilter }],
})
export class UsersModule {}
