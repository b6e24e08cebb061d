import { deepEqual } from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestService, type TestService } from 'bicameral/testing';
import { QueryService } from '#gen/farm_shop/v1/query_service_pb.js';
import { application } from '../../../../src/app.ts';
import { givenJamJar } from '../given-jam-jar.ts';

let service: TestService;
before(async () => {
  service = await startTestService(application);
});
after(() => service.stop());

describe('read.jam_jar_overview', () => {
  it('has a row of a jam jar', async () => {
    const jamJar = givenJamJar();
    await service.given(jamJar).when(QueryService.method.getJamJar, { jamJarId: jamJar.id }).outcome();
    const rows = await service.database.query('select version from read.jam_jar_overview where id = $1', [jamJar.id]);
    deepEqual(rows, [{ version: 1 }]);
  });
});
