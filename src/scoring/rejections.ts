import { Problem, type ProblemCode } from '../errors.js';

/** What was found when an action token was looked at. */
export type TokenResult = 'valid' | 'invalid' | 'expired' | 'replay';

const REJECTIONS: Partial<Record<ProblemCode, TokenResult>> = {
  'action-token-invalid': 'invalid',
  'action-token-premature': 'invalid',
  'action-token-user-mismatch': 'invalid',
  'action-token-expired': 'expired',
  'action-token-replayed': 'replay',
};

/** How the token is at fault; undefined if the error has another reason. */
export const rejectionOf = (error: unknown): TokenResult | undefined =>
  error instanceof Problem ? REJECTIONS[error.code] : undefined;
