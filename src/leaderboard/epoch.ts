import { randomBytes } from 'node:crypto';

/** A name for a stretch of time in which a board's versions can be compared: newer ones sort higher, none comes twice. */
export const newEpoch = (): string => `${Date.now().toString(36)}${randomBytes(4).toString('hex')}`;
