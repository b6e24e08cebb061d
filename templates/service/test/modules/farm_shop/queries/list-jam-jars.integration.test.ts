import { after, before, describe, it } from 'node:test';
import { answered, refused, startTestService, type TestService } from 'bicameral/testing';
import { QueryService } from '#gen/farm_shop/v1/query_service_pb.js';
import { application } from '../../../../src/app.ts';
import { givenJamJar } from '../given-jam-jar.ts';

let service: TestService;
before(async () => {
  service = await startTestService(application);
});
after(() => service.stop());

describe('listJamJars', () => {
  it('returns as many as a page holds, and where the next page begins', async () => {
    const first = await service
      .given(givenJamJar('First'), givenJamJar('Second'))
      .when(QueryService.method.listJamJars, { pageSize: 1 })
      .then(answered({ jamJars: [{ version: 1n }] }));
    const { nextPageToken } = first.answer as { nextPageToken: string };
    await service
      .given()
      .when(QueryService.method.listJamJars, { pageSize: 1, pageToken: nextPageToken })
      .then(answered({ jamJars: [{ version: 1n }], nextPageToken: '' }));
  });

  it('refuses a page token of another list', async () => {
    await service.given().when(QueryService.method.listJamJars, { pageToken: 'other' }).then(refused('PAGE_TOKEN_INVALID'));
  });
});
