import { randomBytes } from 'node:crypto';

const RANDOM_BYTES = 4;

/** Names a period in which a board's versions can be compared. No epoch is used twice. */
export const newEpoch = (): string =>
  `${Date.now().toString(36)}${randomBytes(RANDOM_BYTES).toString('hex')}`;
