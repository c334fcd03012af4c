import { Type } from '@sinclair/typebox';
import type { JobKind } from '../jobs/job.js';

const Ending = Type.Object({ userId: Type.String() });

/** The end of a ban that has one. There is one job a user: another end replaces it. */
export const END_BAN: JobKind<typeof Ending> = {
  name: 'end-ban',
  payload: Ending,
  keyOf: ({ userId }) => userId,
};
