import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { type Service, startService } from '../support/service.ts';
import { findChromium, openPage, type Site, startSite } from './browser.ts';
import { createWorkshop } from './contracts.ts';
import { linkPackages } from './link-packages.ts';
import { pageCode, TOLD } from './page-code.ts';
import { available, describeWith, ROOT, run } from './tool.ts';

const browser = await available(findChromium);

/** By which transport of connect-web a page speaks it, and as whom. */
const PROTOCOLS = [
  { protocol: 'Connect', transport: 'createConnectTransport', email: 'ada@example.org' },
  { protocol: 'gRPC-Web', transport: 'createGrpcWebTransport', email: 'ada.byron@example.org' },
];

describeWith('docs/clients/browser.md, in Chromium', browser, (chromium) => {
  const resources = new AsyncDisposableStack();
  let folder: string;
  let service: Service;
  let sites: readonly Site[];

  beforeAll(async () => {
    folder = resources.use(createWorkshop()).folder;
    resources.use(await linkPackages(folder));
    writeFileSync(join(folder, 'buf.gen.yaml'), pageCode('browser.md', 'yaml'));
    writeFileSync(join(folder, 'index.html'), pageCode('browser.md', 'html'));
    const bin = join(ROOT, 'node_modules/.bin');
    await run(join(bin, 'buf'), ['generate'], { cwd: folder, env: { PATH: `${bin}:${process.env.PATH}` } });
    sites = await Promise.all(PROTOCOLS.map(async () => resources.use(await startSite(folder))));
    service = resources.use(await startService({ env: { CORS_ORIGINS: sites.map(({ origin }) => origin).join(',') } }));
  });
  afterAll(async () => resources.disposeAsync());

  /** Answers all that the page tells, up to what can only be its end. */
  async function tell(site: Site, { transport, email }: (typeof PROTOCOLS)[number]): Promise<string> {
    const story = pageCode('browser.md', 'js').replaceAll('createConnectTransport', transport).replace('ada@example.org', email);
    writeFileSync(join(folder, 'story.js'), story);
    await using _page = await openPage(chromium, `${site.origin}/?service=http://${service.httpAddress}`);
    await eventually(() => expect(site.told()).toMatch(/^(?:refused|Uncaught) .*\n$/m));
    return site.told();
  }

  PROTOCOLS.forEach((protocol, index) => {
    it(`refuses a page of another origin that calls over ${protocol.protocol}`, async () => {
      await using foreign = await startSite(folder);
      expect(await tell(foreign, protocol)).toBe('Uncaught ConnectError: [unknown] Failed to fetch\n');
    });

    // Had the service done what the other page asked for, the e-mail would be taken.
    it(`tells the story over ${protocol.protocol} to a page of a configured origin`, async () => {
      expect(await tell(sites[index] as Site, protocol)).toBe(TOLD);
    });
  });
});
