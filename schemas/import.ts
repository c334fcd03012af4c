import { type Static, Type } from '@sinclair/typebox';
import {
  Cursor,
  defaulted,
  ImportId,
  LeaderboardId,
  Limit,
  List,
  ref,
  SeasonNumber,
  Time,
} from './common.js';

export const IMPORT_STATES = ['receiving', 'counting', 'done', 'failed'] as const;
/** Why a row does not count. */
export const FAULT_CODES = [
  'wrong-columns',
  'not-utf-8',
  'external-id-invalid',
  'name-invalid',
  'score-invalid',
  'time-invalid',
  'metadata-invalid',
  'key-invalid',
  'points-out-of-range',
  'user-banned',
  'outdated',
] as const;
const count = (description: string) => Type.Integer({ minimum: 0, description });
const nullable = <T extends string>(schema: ReturnType<typeof Type.String>, description: string) =>
  Type.Unsafe<T | null>({ anyOf: [schema, Type.Null()], description });

const IMPORT = {
  id: ImportId.examples?.[0],
  leaderboard: 'global',
  season: 1,
  dryRun: false,
  state: 'counting',
  problem: null,
  begunAt: '2026-06-11T19:00:00.000Z',
  endedAt: null,
  receivedBytes: 5_210_331,
  rows: 100_000,
  done: 40_000,
  counted: 39_988,
  known: 0,
  faulty: 12,
  newUsers: 39_120,
  faults: [{ line: 17, code: 'score-invalid', message: 'score must be an integer' }],
};
export const Import = Type.Object(
  {
    id: ImportId,
    leaderboard: LeaderboardId,
    season: SeasonNumber,
    dryRun: Type.Boolean({ description: 'It says what would become of each row, and counts nothing.' }),
    state: Type.Union(
      IMPORT_STATES.map((state) => Type.Literal(state)),
      { description: 'Nothing counts before the whole file is there.' },
    ),
    problem: nullable(Type.String(), 'The code of what has ended it. What was counted before stays so.'),
    begunAt: Time,
    endedAt: nullable(Time, 'Null while it goes on.'),
    receivedBytes: count('From this byte on the file is to be sent again, if it was cut off.'),
    rows: count('Rows that have arrived, below the one with the names of the columns.'),
    done: count('Rows of which it is known what has become of them: progress is `done` of `rows`.'),
    counted: count('Rows that count, or would.'),
    known: count('Rows that had been counted before, by this import or another one.'),
    faulty: count('Rows that do not count for a reason of their own.'),
    newUsers: count('Users who were made.'),
    faults: Type.Array(
      Type.Object({
        line: Type.Integer({ description: 'Where the row ends in the file, from 1.' }),
        code: Type.Union(FAULT_CODES.map((code) => Type.Literal(code))),
        message: Type.String(),
      }),
      { description: 'The first hundred of the faulty rows.' },
    ),
  },
  { $id: 'Import', description: 'A file of scores that was brought in.', examples: [IMPORT] },
);
export type Import = Static<typeof Import>;
export const Imports = List(ref(Import), {
  $id: 'Imports',
  description: 'Imports, the newest first.',
  examples: [{ items: [IMPORT], nextCursor: null }],
});
export const ImportParams = Type.Object({ id: ImportId });
export const ImportsQuery = Type.Object({ limit: Limit(20), cursor: Type.Optional(Cursor) });
export const NewImport = Type.Object({
  board: Type.Optional({
    ...LeaderboardId,
    description: 'The leaderboard on which the scores count. Needed unless it is resumed.',
  }),
  season: Type.Optional({
    ...SeasonNumber,
    description: 'One that takes scores; by default the one in force.',
  }),
  dryRun: defaulted(
    Type.Boolean({ default: false, description: 'Whether it is only said what would become of each row.' }),
  ),
  resume: Type.Optional({ ...ImportId, description: 'An import whose file was cut off.' }),
  offset: defaulted(
    Type.Integer({
      minimum: 0,
      default: 0,
      description: 'At which byte of the file the body begins: the `receivedBytes` of the import.',
    }),
  ),
});

/** A file, which is read as it arrives. */
export const CsvFile = {
  content: {
    'text/csv': {
      example: 'externalId,displayName,score,achievedAt\nplayer-4711,Ada,900,2026-06-11T19:09:00Z\n',
      schema: Type.Unsafe<unknown>({
        type: 'string',
        format: 'binary',
        description: 'A file in UTF-8, as RFC 4180 has it.',
        examples: ['externalId,displayName,score,achievedAt\nplayer-4711,Ada,900,2026-06-11T19:09:00Z\n'],
      }),
    },
  },
};
