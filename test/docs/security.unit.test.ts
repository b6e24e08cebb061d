import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');

/** How many requirements of levels 1 and 2 each section of OWASP ASVS 5.0.0 has; their numbers begin at 1, without a gap. */
const SECTIONS =
  '1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4 5.1:1 5.2:3 5.3:2 ' +
  '5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 ' +
  '10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 ' +
  '13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2';
const REQUIREMENTS = SECTIONS.split(' ').flatMap((section) => {
  const [name, count] = section.split(':');
  return Array.from({ length: Number(count) }, (_, index) => `${name}.${index + 1}`);
});

/** The lines of the tables of ASVS. */
const ROWS = PAGE.split('\n')
  .filter((line) => /^\| \d+\.\d+\.\d+/.test(line))
  .map((line) => {
    const [, numbers = '', , , answer = '', how = '', tests = ''] = line.split(/ ?\| ?/);
    return { numbers: numbers.split(', '), answer, how, tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, test]) => test ?? '') };
  });

describe('docs/security.md', () => {
  it('answers each requirement of levels 1 and 2 once', () => {
    const answered = ROWS.flatMap(({ numbers }) => numbers);
    expect(answered.toSorted()).toEqual(REQUIREMENTS.toSorted());
  });

  it('counts its answers right', () => {
    const count = (wanted: string): number =>
      ROWS.filter(({ answer }) => answer === wanted).reduce((sum, { numbers }) => sum + numbers.length, 0);
    const [kept, part, no, operator, absent] = ['kept', 'part', 'no', 'operator', 'n/a'].map(count);
    expect(PAGE.replaceAll('\n', ' ')).toContain(
      `Of ${REQUIREMENTS.length} requirements ${kept} are kept, ${part} in part, ${no} not, ${operator} are the operator's, and ${absent} ask`,
    );
  });

  it('says of each how it is kept, or why it is not', () => {
    expect(ROWS.filter(({ answer, how, tests }) => how === '' && (answer !== 'kept' || tests.length === 0))).toEqual([]);
  });

  it('names tests that exist', () => {
    const named = new Set(ROWS.flatMap(({ tests }) => tests));
    expect(
      [...named].filter((test) => globSync(`test/${test}.{unit,integration,e2e}.test.ts`, { cwd: ROOT }).length === 0),
    ).toEqual([]);
  });
});

describe.each(['docs/security.md', 'SECURITY.md'])('%s', (page) => {
  it('links to what exists', () => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https:)([^)#]*)(?:#([^)]*))?\)/g)];
    expect(links.length).toBeGreaterThan(3);
    const broken = links.filter(([, path = '', anchor]) => {
      const file = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
      return !existsSync(file) || (anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).has(anchor));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });
});

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}
