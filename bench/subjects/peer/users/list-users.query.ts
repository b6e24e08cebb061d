import { EntityManager } from '@mikro-orm/postgresql';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { User } from './user.entity.js';

export class ListUsersQuery extends Query<User[]> {
  constructor(public readonly pageSize: number) {
    super();
  }
}

@QueryHandler(ListUsersQuery)
export class ListUsersHandler implements IQueryHandler<ListUsersQuery> {
  constructor(private readonly em: EntityManager) {}

  async execute({ pageSize }: ListUsersQuery): Promise<User[]> {
    const where = { status: { $ne: 'deleted' as const } };
    return await this.em.fork().find(User, where, { orderBy: { id: 'asc' }, limit: pageSize });
  }
}
