import { expect, it } from '@jest/globals';
import { describeWith, run } from '../interop/tool.ts';
import { prometheusTool } from './prometheus.ts';

describeWith('promtool', prometheusTool, () => {
  it('takes the configuration, with its rules', async () => {
    expect(await run('promtool', ['check', 'config', 'deploy/prometheus/prometheus.yml'])).toContain('2 rule files found');
  });

  it('finds that rules raise the alerts, and the numbers, of test/deploy/rules.yml', async () => {
    expect(await run('promtool', ['test', 'rules', 'test/deploy/rules.yml'])).toContain('SUCCESS');
  });
});
