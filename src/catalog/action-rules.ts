import type { Action } from '../../schemas/action.js';
import { invalid } from '../errors.js';

/**
 * Checks what the schema of an action cannot express.
 * @param tokenLifetime of action tokens, in seconds: a token of the action must be valid long enough to be redeemed
 * @throws Problem `validation-failed`
 */
export function checkAction({ points, minDurationMs }: Action, tokenLifetime: number): void {
  if (points.min > points.max) throw invalid('/points', 'must have a min that is not above its max');
  if (minDurationMs >= tokenLifetime * 1000)
    throw invalid('/minDurationMs', `must be less than the ${tokenLifetime} s that a token is good for`);
}
