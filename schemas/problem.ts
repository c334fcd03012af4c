import { type Static, Type } from '@sinclair/typebox';

/** RFC 9457. `code` is the last part of `type`. */
export const ProblemDocument = Type.Object(
  {
    type: Type.String({ examples: ['urn:scoreboard:problem:not-found'] }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String({ description: 'The path of the request.' }),
    code: Type.String({ examples: ['not-found'] }),
    requestId: Type.String(),
    errors: Type.Optional(
      Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
        description: 'Only with `validation-failed`: what is wrong, and where.',
      }),
    ),
    original: Type.Optional(
      Type.Object(
        { eventId: Type.String(), acceptedAt: Type.String({ format: 'date-time' }) },
        { description: 'Only with `action-token-replayed`, for the same user: what the token counted as.' },
      ),
    ),
  },
  { $id: 'Problem', description: 'What went wrong.' },
);
export type ProblemDocument = Static<typeof ProblemDocument>;
