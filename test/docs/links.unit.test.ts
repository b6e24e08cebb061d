import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const LINK = /\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#([^)\s]+))?\)/g;
/** As GitHub makes them of headings. */
const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('the links of', () => {
  it.each(['README.md', ...globSync('docs/*.md'), ...globSync('docs/guides/*.md')])(
    '%s lead to files, and to headings',
    (page) => {
      const dead = [...readFileSync(page, 'utf8').matchAll(LINK)]
        .filter(([, path = '', anchor]) => {
          const target = join(dirname(page), path);
          if (!existsSync(target)) return true;
          return anchor !== undefined && target.endsWith('.md') && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
        })
        .map(([link]) => link);
      expect(dead).toEqual([]);
    },
  );
});
