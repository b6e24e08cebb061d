import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';

describe('docs/api/', () => {
  it('is what the docstrings say, and what changed since the last release is in the changelog', () => {
    expect(() => execFileSync('npm', ['run', '--silent', 'check:api', '--', '--pages'], { stdio: 'pipe' })).not.toThrow();
  });
});
