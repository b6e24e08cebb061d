import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, expect, it } from '@jest/globals';
import { startService } from '../support/service.ts';
import { createWorkshop } from './contracts.ts';
import { pageCode, TOLD } from './page-code.ts';
import { available, describeWith, ROOT, run } from './tool.ts';

const SOURCES = 'src/main/java';
const ADDRESS = '127.0.0.1:50051';

/** Whoever can have this artifact, from Maven's own cache or from afar, can have what the page needs. */
const java = await available(async () => {
  await run('mvn', ['-q', '-B', 'dependency:get', '-Dartifact=io.grpc:grpc-bom:1.83.1:pom']);
  return ROOT;
});

describeWith('docs/clients/java.md', java, () => {
  const resources = new AsyncDisposableStack();
  afterAll(async () => resources.disposeAsync());

  it('tells the story', async () => {
    const { folder } = resources.use(createWorkshop());
    const service = resources.use(await startService());
    mkdirSync(join(folder, SOURCES), { recursive: true });
    writeFileSync(join(folder, 'pom.xml'), pageCode('java.md', 'xml'));
    for (const file of [`${SOURCES}/Calls.java`, `${SOURCES}/Story.java`])
      writeFileSync(join(folder, file), pageCode('java.md', 'java', file));
    const command = pageCode('java.md', 'sh').replace(ADDRESS, service.grpcAddress);
    // Maven ends with a reset of colours.
    expect(stripVTControlCharacters(await run('sh', ['-ec', command], { cwd: folder }))).toBe(TOLD);
  });
});
