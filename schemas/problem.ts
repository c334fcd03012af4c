import { type Static, Type } from '@sinclair/typebox';

/**
 * The catalogue of problems: every failure a caller can cause has one code, which is never reused.
 * Rendered as RFC 9457 problem documents by plugins/problem-details.ts.
 */
export const PROBLEMS = {
  'validation-failed': { status: 400, title: 'The request does not match the schema' },
  'malformed-json': { status: 400, title: 'The body is malformed' },
  unauthenticated: { status: 401, title: 'A valid access token is needed' },
  'invalid-credentials': { status: 401, title: 'The credentials are wrong' },
  'refresh-token-invalid': { status: 401, title: 'The refresh token is unknown or expired' },
  'refresh-token-reused': { status: 401, title: 'The refresh token was used before; its session is revoked' },
  forbidden: { status: 403, title: 'Your role does not allow this' },
  'action-token-invalid': { status: 403, title: 'The action token is not valid' },
  'action-token-expired': { status: 403, title: 'The action token has expired' },
  'action-token-premature': { status: 403, title: 'The action cannot be finished so soon' },
  'action-token-user-mismatch': { status: 403, title: 'The action token names another user' },
  'action-not-player-issuable': { status: 403, title: 'Only a game server may issue this action' },
  'user-banned': { status: 403, title: 'This user is banned' },
  'name-locked': { status: 403, title: 'An administrator has given this name' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'season-not-found': { status: 404, title: 'There is no such season' },
  'method-not-allowed': { status: 405, title: 'This path has other methods' },
  'username-taken': { status: 409, title: 'The username is taken' },
  'name-taken': { status: 409, title: 'The name is taken' },
  'leaderboard-in-use': { status: 409, title: 'The leaderboard is in use' },
  'action-in-use': { status: 409, title: 'The action is in use' },
  'board-frozen': { status: 409, title: 'The leaderboard takes no scores' },
  'season-ended': { status: 409, title: 'No season takes the score' },
  'action-token-replayed': { status: 409, title: 'The action token was used before' },
  'event-archived': { status: 409, title: 'The event is archived' },
  'webhook-disabled': { status: 409, title: 'The webhook is disabled' },
  'too-many-webhooks': { status: 409, title: 'There are as many webhooks as there may be' },
  'act-undone': { status: 409, title: 'The act was undone before' },
  'act-not-undoable': { status: 409, title: 'The act cannot be undone' },
  'already-counted': { status: 409, title: 'The idempotency key was used before' },
  'import-not-resumable': { status: 409, title: 'The import does not take this' },
  'season-changed': { status: 409, title: 'The season is another' },
  'history-archived': { status: 410, title: 'The events of that time are archived' },
  'season-purged': { status: 410, title: 'The season is no longer kept' },
  'revision-changed': { status: 412, title: 'Somebody else has changed it meanwhile' },
  'season-final': { status: 409, title: 'The season is final' },
  'payload-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported' },
  'points-out-of-range': { status: 422, title: 'The points are not allowed' },
  'file-refused': { status: 422, title: 'The file cannot be imported' },
  'schedule-invalid': { status: 422, title: 'The schedule makes no sense' },
  'webhook-url-refused': { status: 422, title: 'Nothing may be sent to this URL' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'action-limit-reached': { status: 429, title: 'The limit of this action is reached' },
  'internal-error': { status: 500, title: 'Something went wrong on our side' },
  'service-unavailable': { status: 503, title: 'The service cannot answer just now' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

const PROBLEM_MEMBERS = {
  type: Type.String({ examples: ['urn:scoreboard:problem:not-found'] }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  instance: Type.String({ description: 'The path of the request.' }),
  code: Type.Unsafe<ProblemCode>({
    type: 'string',
    enum: Object.keys(PROBLEMS),
    examples: ['not-found'],
  }),
  requestId: Type.String(),
  errors: Type.Optional(
    Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
      description: 'Only with `validation-failed` and `schedule-invalid`: the errors and their paths.',
    }),
  ),
  original: Type.Optional(
    Type.Object(
      { eventId: Type.String(), acceptedAt: Type.String({ format: 'date-time' }) },
      {
        description:
          'Only with `action-token-replayed`, for the same user: the event that the token counted as.',
      },
    ),
  ),
};

/** RFC 9457. `code` is the last part of `type`. */
export const ProblemDocument = Type.Object(PROBLEM_MEMBERS, {
  $id: 'Problem',
  description: 'A problem document (RFC 9457).',
});
export type ProblemDocument = Static<typeof ProblemDocument>;

/** RFC 6749, section 5.2, and for what is our fault, section 4.1.2.1. */
const OAuthError = Type.Union(
  (
    [
      'invalid_request',
      'invalid_client',
      'unsupported_grant_type',
      'temporarily_unavailable',
      'server_error',
    ] as const
  ).map((error) => Type.Literal(error)),
);
export type OAuthError = Static<typeof OAuthError>;

/** A problem as libraries for OAuth 2.0 read it. */
export const OAuthProblem = Type.Object(
  { ...PROBLEM_MEMBERS, error: OAuthError, error_description: Type.String() },
  { $id: 'OAuthProblem', description: 'A problem document, which is also an error response of OAuth 2.0.' },
);
export type OAuthProblem = Static<typeof OAuthProblem>;
