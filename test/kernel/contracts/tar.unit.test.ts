import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { tar } from '../../../src/kernel/contracts/tar.ts';

const files = [
  { path: 'contracts/README.md', content: Buffer.from('# Contracts\n') },
  { path: 'contracts/proto/empty.proto', content: Buffer.alloc(0) },
  { path: 'contracts/block.bin', content: Buffer.alloc(1024, 'x') },
];

describe('tar', () => {
  it('makes an archive that tar reads', () => {
    const archive = tar(files);
    expect(archive.byteLength % 512).toBe(0);
    expect(execFileSync('tar', ['-tf', '-'], { input: archive, encoding: 'utf8' }).trim().split('\n')).toEqual(
      files.map(({ path }) => path),
    );
    for (const { path, content } of files) {
      expect(execFileSync('tar', ['-xOf', '-', path], { input: archive })).toEqual(content);
    }
  });

  it('makes the same of the same', () => {
    expect(tar(files)).toEqual(tar(files));
  });

  it('refuses a path that does not fit', () => {
    expect(() => tar([{ path: 'a'.repeat(101), content: Buffer.alloc(0) }])).toThrow('too long');
  });
});
