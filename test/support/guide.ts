import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ProjectCopy } from './project-copy.ts';

/** A step of a guide: a command, a new file, or a change of a file. */
export interface Step {
  readonly what: string;
  readonly follow: (copy: ProjectCopy) => Promise<void>;
}

/**
 * The steps of a guide: its blocks `sh`, whose lines are run one by one; `ts PATH` or `proto PATH`, which are whole files; and `diff PATH`, whose lines that begin with a blank or with `-`
 * stand in that file, and are replaced by those that begin with a blank or with `+`. A star in the path stands for what differs each time.
 */
export function stepsOf(page: string): readonly Step[] {
  const blocks = readFileSync(page, 'utf8').matchAll(/^```(?:(sh)|(ts|proto|diff) (\S+))\n(.*?)^```$/gms);
  return [...blocks].flatMap(([, , kind, path, text = '']) => {
    if (path === undefined) return text.trimEnd().split('\n').map(command);
    return [kind === 'diff' ? change(path, text) : file(path, text)];
  });
}

function command(line: string): Step {
  return {
    what: line,
    async follow(copy) {
      const { code, output } = await copy.run(line);
      if (code !== 0) throw new Error(`\`${line}\` failed:\n${output}`);
    },
  };
}

function file(path: string, text: string): Step {
  return {
    what: `write ${path}`,
    async follow({ root }) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    },
  };
}

function change(path: string, text: string): Step {
  const lines = text.trimEnd().split('\n');
  const without = (mark: string): string =>
    lines
      .filter((line) => !line.startsWith(mark))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  return {
    what: `change ${path}`,
    async follow({ root }) {
      const [file, another] = globSync(path, { cwd: root });
      if (file === undefined || another !== undefined) throw new Error(`${path} is not one file`);
      const source = readFileSync(join(root, file), 'utf8');
      const parts = source.split(without('+'));
      if (parts.length !== 2) throw new Error(`${file} does not hold once what the guide changes:\n${text}\n${source}`);
      writeFileSync(join(root, file), parts.join(without('-')));
    },
  };
}
