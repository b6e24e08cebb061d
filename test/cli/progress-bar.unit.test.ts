import { describe, expect, it } from '@jest/globals';
import { createProgressBar } from '../../src/cli/progress-bar.ts';

describe('progress bar', () => {
  function screen(isTTY: boolean) {
    const written: string[] = [];
    return { written, stream: { isTTY, write: (text: string) => written.push(text) > 0 } as never };
  }

  it('draws itself again on a terminal, not too often, and takes itself away', () => {
    const { written, stream } = screen(true);
    let time = 0;
    const bar = createProgressBar('records', { stream, now: () => time });
    bar.update(0, 2_000);
    time = 50;
    bar.update(500, 2_000);
    time = 100;
    bar.update(1_000, 2_000);
    bar.update(2_000, 2_000);
    bar.clear();

    const line = (filled: number, text: string): string => `\r\u001b[K${'█'.repeat(filled)}${'░'.repeat(30 - filled)} ${text}`;
    expect(written).toEqual([
      line(0, '  0 %  0 of 2,000 records'),
      line(15, ' 50 %  1,000 of 2,000 records'),
      line(30, '100 %  2,000 of 2,000 records'),
      '\r\u001b[K',
    ]);
  });

  it('writes a line at each tenth elsewhere', () => {
    const { written, stream } = screen(false);
    const bar = createProgressBar('records', { stream });
    for (let done = 0; done <= 1_000; done += 25) bar.update(done, 1_000);
    bar.clear();
    expect(written).toHaveLength(11);
    expect(written[5]).toBe('…  50 %  500 of 1,000 records\n');
  });

  it('is complete when there is nothing to do, and stays in its bounds', () => {
    const { written, stream } = screen(true);
    const bar = createProgressBar('records', { stream });
    bar.update(0, 0);
    bar.update(5, 4);
    for (const text of written) expect(text).toContain(`${'█'.repeat(30)} 100 %`);
  });

  it('leaves a terminal alone on which it never drew', () => {
    const { written, stream } = screen(true);
    createProgressBar('records', { stream }).clear();
    expect(written).toEqual([]);
  });
});
