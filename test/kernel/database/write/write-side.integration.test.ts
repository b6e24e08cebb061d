import { expect, it } from '@jest/globals';
import { withSettings } from '../../../../src/kernel/database/connection.ts';
import { CommitsNotDurable, createWriteSide } from '../../../../src/kernel/database/write/write-side.ts';
import { UserType } from '../../../../src/modules/users/persistence/user-type.ts';
import { createTestDatabase } from '../../../support/database.ts';

it('commands are not taken by a database that acknowledges what a crash can undo', async () => {
  const { connections, drop } = await createTestDatabase();
  try {
    const { writer } = connections;
    await expect(
      createWriteSide(withSettings(writer, { synchronous_commit: 'off' }), [UserType], {
        poolSize: 2,
        ownerDigest: () => Buffer.alloc(0),
      }),
    ).rejects.toBeInstanceOf(CommitsNotDurable);
    const side = await createWriteSide(writer, [UserType], { poolSize: 2, ownerDigest: () => Buffer.alloc(0) });
    const { rows } = await side.pool.query('show synchronous_commit');
    expect(rows).toEqual([{ synchronous_commit: 'on' }]);
    await side.close();
  } finally {
    await drop();
  }
});
