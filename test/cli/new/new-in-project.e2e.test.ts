import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { copyProject, type ProjectCopy } from '../../support/project-copy.ts';

let copy: ProjectCopy;
beforeAll(async () => {
  copy = copyProject();
  const { code, output } = await copy.run(
    'git init --quiet && git add --all && git -c user.name=t -c user.email=t@t commit -qm t',
  );
  if (code !== 0) throw new Error(output);
});
afterAll(() => copy.remove());

const bicameral = (command: string): Promise<{ code: number | null; output: string }> =>
  copy.run(`node src/main.ts new ${command}`);

/** What git says has changed since the copy was made. */
const status = async (): Promise<string> => (await copy.run('git status --porcelain --untracked-files=all')).output;

describe('the generators, in the project itself', () => {
  it('show what they would change, as a diff that can be applied, and change nothing', async () => {
    const { code, output } = await bicameral('module bookings --dry-run');
    expect(code).toBe(0);
    expect(output).toContain('--- /dev/null\n+++ b/src/modules/bookings/module.ts\n@@ -0,0 +1,');
    expect(output).toMatch(/^-\s+modules: \[.*\n\+\s+modules: \[.*, bookings\],$/m);
    expect(output).toContain('Nothing was written.');
    expect(await status()).toBe('');
  });

  it.each([
    'module bookings',
    'module price-list --aggregate Entry',
    'aggregate bookings TravelInvoice',
    'command bookings CancelBooking',
    'command bookings approve-travel-invoice --event TravelInvoiceSignedOff',
    'query bookings GetBookingSummary',
    'query bookings ListOpenBookings',
    'event bookings Booking BookingConfirmed',
    'projection bookings BookingTotals',
    'query users GetUserSummary',
    'projection users user-visits',
    'migration bookings add-notes',
    // A module that was written by hand.
    'command users SetLocale --aggregate User --event UserLocaleSet',
    'migration users user-notes',
  ])('write: new %s', async (command) => {
    const { code, output } = await bicameral(command);
    expect(output).toContain('Next:\n  - ');
    expect(output).not.toContain('no place found');
    expect(code).toBe(0);
  });

  it('write what passes every check and its own tests, unchanged', async () => {
    expect(await copy.run('npm run --silent check')).toMatchObject({ code: 0 });
    const written = (await status()).match(/test\/\S+\.test\.ts/g) ?? [];
    expect(written.length).toBeGreaterThan(10);
    expect(await copy.run(`npm test --silent -- ${written.join(' ')}`)).toMatchObject({ code: 0 });
  });

  it('change of what was there only what a new module has to, one line of the application among it', async () => {
    const changed = (await status()).match(/^ M (?!gen\/|docs\/)\S+$/gm)?.map((line) => line.slice(3));
    expect(changed?.filter((path) => !/^(proto|src\/modules|test\/modules)\/users\//.test(path))).toEqual(['src/app.ts']);
    const { output } = await copy.run('git diff --numstat src/app.ts');
    expect(output).toMatch(/^3\t1\t/);
  });

  it.each([
    ['module bookings', 'There is a module bookings already, and nothing was written.'],
    ['aggregate bookings Booking', 'The module bookings has an aggregate Booking already, and nothing was written.'],
    ['command bookings CancelBooking', 'has an rpc CancelBooking already, and nothing was written.'],
    ['query bookings ListOpenBookings', 'has an rpc ListOpenBookings already, and nothing was written.'],
    ['event bookings Booking BookingConfirmed', 'has a message BookingConfirmed already, and nothing was written.'],
    ['projection bookings BookingTotals', 'is there already, and nothing was written'],
    ['migration bookings add-notes', 'There is a migration add-notes already, and nothing was written.'],
    [
      'command bookigns CancelBooking',
      'There is no module bookigns; there is audit, bookings, events, operations, price_list, users.',
    ],
    ['command bookings Archive', 'Give --aggregate: Booking, TravelInvoice.'],
    ['command bookings ArchiveBooking --aggregate Parcel', 'has no aggregate Parcel; it has Booking, TravelInvoice.'],
    ['module billing', 'Give --aggregate'],
    ['module travel --aggregate Booking', 'makes a table read.booking_list already, and nothing was written'],
    ['module orders', 'test/proto/orders has a package of that name already'],
    ['module select', 'a word of SQL'],
  ])('refuse: new %s', async (command, reason) => {
    const before = await status();
    const { code, output } = await bicameral(command);
    expect(output).toContain(reason);
    expect(output).not.toContain('    at ');
    expect(code).toBe(1);
    expect(await status()).toBe(before);
  });
});
