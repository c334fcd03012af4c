import { instant } from '../clock.js';
import { Problem, userBanned } from '../errors.js';
import type { BatchRow, Submission } from './submission.js';

/** What a token was counted as. */
export interface ConsumedToken {
  readonly tokenId: string;
  readonly eventId: string;
  readonly userId: string;
  readonly acceptedAt: number;
}

export const noSuchUser = (userId: string): Problem =>
  new Problem('not-found', `There is no user "${userId}".`);

const noSuchAction = (actionId: string): Problem =>
  new Problem('action-token-invalid', `The action token is not valid: there is no action "${actionId}".`);

const frozen = (actionId: string): Problem =>
  new Problem(
    'board-frozen',
    `Every leaderboard that "${actionId}" feeds is frozen. The token is not consumed.`,
  );

const closed = (actionId: string): Problem =>
  new Problem(
    'season-ended',
    `No season of a leaderboard that "${actionId}" feeds takes this score. The token is not consumed.`,
  );

const seasonChanged = (): Problem =>
  new Problem(
    'season-changed',
    'The score would count in another season than you expect. The token is not consumed.',
  );

/**
 * The answers to what the statement that records a batch refuses, but for what is to be sent again. No token of these is used
 * up.
 */
export const REFUSALS: Record<
  Exclude<NonNullable<BatchRow['refused']>, 'locked' | 'other-season' | 'unturned'>,
  (submission: Submission) => Problem
> = {
  'no-user': ({ userId }) => noSuchUser(userId),
  banned: userBanned,
  'no-action': ({ actionId }) => noSuchAction(actionId),
  frozen: ({ actionId }) => frozen(actionId),
  closed: ({ actionId }) => closed(actionId),
  'season-changed': seasonChanged,
};

export const limitReached = (actionId: string, retryAfter: number): Problem =>
  new Problem('action-limit-reached', `"${actionId}" counts for this user again in ${retryAfter} s.`, {
    retryAfter,
  });

/**
 * The answer to a token that was counted before. It says as what to the user for whom it was counted, and to the account whose
 * idempotency key it stands for.
 */
export function replayed(
  { userId, signingKey }: Pick<Submission, 'userId'> & Partial<Pick<Submission, 'signingKey'>>,
  token: ConsumedToken | undefined,
): Problem {
  return new Problem(
    'action-token-replayed',
    'This action token was used before; it counts once.',
    token !== undefined && (token.userId === userId || signingKey === null)
      ? { original: { eventId: token.eventId, acceptedAt: instant(token.acceptedAt) } }
      : {},
  );
}

export const outOfRange = (): Problem =>
  new Problem('points-out-of-range', 'The score would leave the range of exact integers.');
