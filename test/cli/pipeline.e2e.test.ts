import { describe, expect, it } from '@jest/globals';
import { run } from '../support/command-line.ts';

describe('bicameral pipeline', () => {
  it('prints the middleware of each kind of calls, aligned, with the rpcs that it is made for', async () => {
    const { code, stdout } = await run(['pipeline']);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('command  tracing                  every rpc');
    expect(lines).toContain('command  guess limit              LogIn, ChangeEmail, ChangePassword, DeleteUser');
    expect(lines).toContain('query    cache                    GetUser, GetUserStatistics');
    expect(lines).toContain('query    consistency              every rpc');
    expect(lines.filter((line) => line.startsWith('stream')).at(-1)).toBe('stream   handler trace            every rpc');
  });

  it('prints that of one rpc, in order, also as JSON', async () => {
    const rpc = 'users.v1.CommandService/ChangeName';
    const { stdout } = await run(['pipeline', rpc]);
    const names = stdout.trim().split('\n');
    expect(names.join(' > ')).toContain(
      'recording > authentication > rate limit by principal > validation > authorization > idempotency',
    );
    expect(JSON.parse((await run(['pipeline', rpc, '--json'])).stdout)).toEqual(names);
    expect((await run(['pipeline', rpc], { RATE_LIMITS: 'write=off' })).stdout).not.toContain('rate limit');
  });

  it('names the rpcs that there are when it is asked for another', async () => {
    const { code, stderr } = await run(['pipeline', 'users.v1.CommandService/changeName']);
    expect(code).toBe(1);
    expect(stderr).toContain('There is no rpc users.v1.CommandService/changeName');
    expect(stderr).toContain('  users.v1.CommandService/ChangeName\n');
  });
});
