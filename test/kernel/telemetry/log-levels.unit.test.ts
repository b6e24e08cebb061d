import { describe, expect, it } from '@jest/globals';
import { parseLogLevels } from '../../../src/kernel/telemetry/log-levels.ts';

describe('LOG_LEVEL', () => {
  it('is a level for all, and others for the lines of some calls', () => {
    expect(parseLogLevels('warn')).toEqual({ level: 'warn', calls: { command: 'warn', query: 'warn', stream: 'warn' } });
    expect(parseLogLevels('info, query=warn,stream=silent')).toEqual({
      level: 'info',
      calls: { command: 'info', query: 'warn', stream: 'silent' },
    });
  });

  it.each([
    '',
    'loud',
    'query=warn',
    'info,debug',
    'info,queries=warn',
    'info,query=loud',
    'info,query=warn,query=info',
    'info,',
  ])('is not %j', (text) => {
    expect(parseLogLevels(text)).toBeUndefined();
  });
});
