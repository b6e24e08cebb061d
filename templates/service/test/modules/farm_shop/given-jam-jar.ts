import { TEST_TIME, testId } from 'bicameral/testing';
import { JamJar } from '../../../src/modules/farm_shop/domain/jam-jar.ts';

/** A jam jar as it is after it was created; by its name an id. */
export const givenJamJar = (name = 'First'): JamJar => JamJar.create({ id: testId(`jam jar ${name}`), name, at: TEST_TIME });
