import { randomBytes } from 'node:crypto';
import { now } from '../clock.js';

const RANDOM_BYTES = 4;

/**
 * Names a period in which a board's versions can be compared. No epoch is used twice, and a later one sorts behind, also if
 * another instance begins it.
 */
export const newEpoch = (): string => `${now().toString(36)}${randomBytes(RANDOM_BYTES).toString('hex')}`;
