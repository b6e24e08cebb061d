import { TEST_TIME, testId } from 'bicameral/testing';
import { JamJar } from '../../../src/modules/farm_shop/domain/jam-jar.ts';

/** A jam jar as it is after it was created. */
export const givenJamJar = (): JamJar => JamJar.create({ id: testId('given jam jar'), name: 'First', at: TEST_TIME });
