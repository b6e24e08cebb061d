import { EntityManager } from '@mikro-orm/postgresql';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { User } from './user.entity.js';

export class ChangeNameCommand extends Command<User | null> {
  constructor(
    public readonly userId: string,
    public readonly name: string,
  ) {
    super();
  }
}

@CommandHandler(ChangeNameCommand)
export class ChangeNameHandler implements ICommandHandler<ChangeNameCommand> {
  constructor(private readonly em: EntityManager) {}

  async execute({ userId, name }: ChangeNameCommand): Promise<User | null> {
    return await this.em.transactional(async (em) => {
      const user = await em.findOne(User, { id: userId });
      user?.rename(name, new Date());
      return user;
    });
  }
}
