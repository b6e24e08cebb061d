import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { services } from '../../../../src/modules/users/services.ts';

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

describe('every command of users.v1', () => {
  it('is tested without a database', () => {
    const tested = globSync(`${import.meta.dirname}/*.unit.test.ts`).map((file) => basename(file, '.unit.test.ts'));
    const commands = Object.keys(services.find(({ kind }) => kind === 'command')?.handlers ?? {});
    expect(commands.length).toBeGreaterThan(0);
    expect(commands.map(kebab).filter((name) => !tested.includes(name))).toEqual([]);
  });
});
