import { after, before, describe, it } from 'node:test';
import { answered, refused, startTestService, type TestService, testId } from 'bicameral/testing';
import { QueryService } from '#gen/farm_shop/v1/query_service_pb.js';
import { application } from '../../../../src/app.ts';
import { givenJamJar } from '../given-jam-jar.ts';

let service: TestService;
before(async () => {
  service = await startTestService(application);
});
after(() => service.stop());

describe('getJamJar', () => {
  it('returns a jam jar', async () => {
    const jamJar = givenJamJar();
    await service
      .given(jamJar)
      .when(QueryService.method.getJamJar, { jamJarId: jamJar.id })
      .then(answered({ jamJar: { id: jamJar.id, name: jamJar.name, version: 1n } }));
  });

  it('refuses a jam jar that is not there', async () => {
    await service
      .given()
      .when(QueryService.method.getJamJar, { jamJarId: testId('nobody') })
      .then(refused('JAM_JAR_NOT_FOUND'));
  });
});
