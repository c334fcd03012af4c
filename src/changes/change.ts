import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { fromUuid, toUuid } from '../stored-ids.js';

/** The PostgreSQL notification channel on which instances announce their changes to each other. */
export const CHANGES_CHANNEL = 'scoreboard_changes';

/** A notification is limited to 8,000 bytes: of entries (up to 90 bytes) or boards (up to 75) one carries this many. */
export const ITEMS_PER_NOTIFICATION = 64;
/** Of entries that name their boards (up to 175 bytes). */
export const CORRECTIONS_PER_NOTIFICATION = 44;

const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
const Header = {
  /** Names the change: its parts, and whatever reports that it was applied, have the same id. */
  id: Type.String(),
  /** The instance that committed the change, and applies it by itself. */
  writer: Type.String(),
};
/** In a notification the user is a uuid; a null score removes the entry. */
const Entry = [
  Type.String({ pattern: UUID, description: 'The user.' }),
  Type.Union([Type.Integer(), Type.Null()], { description: 'The score.' }),
  Type.Integer({ description: 'When it was achieved, in milliseconds.' }),
  Type.Integer({ description: 'The version.' }),
] as const;
const Boards = Type.Array(Type.String(), { description: 'Texts of board keys.' });

/** What other instances must know. Announced in the transaction that changes it, so only what is committed is announced. */
const Change = Type.Union([
  /** New scores. Their writer applies them for all who share a projection. */
  Type.Object({
    type: Type.Literal('scores'),
    ...Header,
    /** The text of a board key. */
    board: Type.String(),
    entries: Type.Array(Type.Tuple([...Entry])),
  }),
  /** What became of entries, of one user on thousands of boards, or of thousands on one. Each is `[…entry, text of a board key]`. */
  Type.Object({
    type: Type.Literal('corrections'),
    ...Header,
    entries: Type.Array(Type.Tuple([...Entry, Type.String()])),
  }),
  /** `boards` are those on which the user has an entry. */
  Type.Object({
    type: Type.Literal('user-renamed'),
    ...Header,
    userId: Type.String(),
    displayName: Type.String(),
    boards: Boards,
  }),
  /** `boards` are those on which the user had an entry, now deleted. */
  Type.Object({ type: Type.Literal('user-erased'), ...Header, userId: Type.String(), boards: Boards }),
  /** The entries of the user are announced as corrections. */
  Type.Object({
    type: Type.Literal('user-banned'),
    ...Header,
    userId: Type.String(),
    /** False if the ban was lifted. */
    banned: Type.Boolean(),
  }),
  Type.Object({ type: Type.Literal('session-revoked'), ...Header, sessionId: Type.String() }),
  Type.Object({ type: Type.Literal('service-account-revoked'), ...Header, accountId: Type.String() }),
  /** A leaderboard was made, changed, frozen, unfrozen or, if `removed`, deleted. */
  Type.Object({
    type: Type.Literal('leaderboard'),
    ...Header,
    leaderboard: Type.String(),
    removed: Type.Boolean(),
  }),
  /** The standings of a season are final, or final again after a correction. */
  Type.Object({
    type: Type.Literal('season-final'),
    ...Header,
    leaderboard: Type.String(),
    season: Type.Integer(),
  }),
  /** Many entries of a board have changed, more than anybody tells of one by one: it is to be read again. */
  Type.Object({
    type: Type.Literal('imported'),
    ...Header,
    /** The text of a board key. */
    board: Type.String(),
  }),
  /** Webhooks were made, changed or deleted. */
  Type.Object({ type: Type.Literal('webhooks'), ...Header }),
  /** Somebody else leads a board than before. */
  Type.Object({
    type: Type.Literal('leader'),
    ...Header,
    /** The text of a board key. */
    board: Type.String(),
    userId: Type.Union([Type.String(), Type.Null()]),
  }),
  /** An action was made, changed or deleted. */
  Type.Object({ type: Type.Literal('action'), ...Header, action: Type.String() }),
]);

export type Change = Static<typeof Change>;

const compiled = TypeCompiler.Compile(Change);

/** Parses a notification, or gives null if it is none of ours (anybody may NOTIFY). */
export function parseChange(payload: string): Change | null {
  try {
    const value: unknown = JSON.parse(payload);
    if (!compiled.Check(value)) return null;
    if ('entries' in value) for (const entry of value.entries) entry[0] = fromUuid('usr', entry[0]);
    return value;
  } catch {
    return null;
  }
}

/** Announces changes when the transaction of `client` commits, in as many notifications as they need. */
export async function announce(
  client: { query(text: string, values: unknown[]): Promise<unknown> },
  ...changes: readonly Change[]
): Promise<void> {
  const payloads = changes.flatMap((change) => [...parts(change)].map((part) => JSON.stringify(part)));
  await client.query(`SELECT pg_notify('${CHANGES_CHANNEL}', payload) FROM unnest($1::text[]) payload`, [
    payloads,
  ]);
}

function* parts(change: Change): Generator<Change> {
  if (change.type === 'scores')
    for (const entries of slices(change.entries, ITEMS_PER_NOTIFICATION))
      yield { ...change, entries: entries.map(([user, ...entry]) => [stored(user), ...entry]) };
  else if (change.type === 'corrections')
    for (const entries of slices(change.entries, CORRECTIONS_PER_NOTIFICATION))
      yield { ...change, entries: entries.map(([user, ...entry]) => [stored(user), ...entry]) };
  else if ('boards' in change)
    for (const boards of slices(change.boards, ITEMS_PER_NOTIFICATION)) yield { ...change, boards };
  else yield change;
}

/** As RECORD_BATCH announces users, for whom PostgreSQL would take long to make ids. */
const stored = (userId: string): string => toUuid('usr', userId) ?? '';

/** At least one slice, which may be empty. */
function* slices<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start === 0 || start < items.length; start += size)
    yield items.slice(start, start + size);
}
