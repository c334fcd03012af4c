import { randomBytes } from 'node:crypto';

const RANDOM_BYTES = 4;

/** A name for a stretch of time in which a board's versions can be compared: newer ones sort higher, none comes twice. */
export const newEpoch = (): string =>
  `${Date.now().toString(36)}${randomBytes(RANDOM_BYTES).toString('hex')}`;

/** When an epoch began, in milliseconds since the Unix epoch. */
export const beganAt = (epoch: string): number => Number.parseInt(epoch.slice(0, -2 * RANDOM_BYTES), 36);
