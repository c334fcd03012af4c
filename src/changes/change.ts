import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { fromUuid, toUuid } from '../stored-ids.js';

/** The PostgreSQL notification channel on which instances announce their changes to each other. */
export const CHANGES_CHANNEL = 'scoreboard_changes';

/** A notification is limited to 8,000 bytes: of entries (up to 90 bytes) or boards (up to 75) one carries this many. */
export const ITEMS_PER_NOTIFICATION = 64;

const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
const Header = {
  /** Names the change: its parts, and whatever reports that it was applied, have the same id. */
  id: Type.String(),
  /** The instance that committed the change, and applies it by itself. */
  writer: Type.String(),
};
const Boards = Type.Array(Type.String(), { description: 'Texts of board keys.' });

/** What other instances must know. Announced in the transaction that changes it, so only what is committed is announced. */
const Change = Type.Union([
  Type.Object({
    type: Type.Literal('scores'),
    ...Header,
    /** The text of a board key. */
    board: Type.String(),
    /** `[userId, score, achievedAt in ms, version]`; a null score removes the entry. In a notification the user is a uuid. */
    entries: Type.Array(
      Type.Tuple([
        Type.String({ pattern: UUID }),
        Type.Union([Type.Integer(), Type.Null()]),
        Type.Integer(),
        Type.Integer(),
      ]),
    ),
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
  /** The entries of the user are announced as changes of scores. */
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
    if (value.type === 'scores') for (const entry of value.entries) entry[0] = fromUuid('usr', entry[0]);
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
  if ('entries' in change) for (const entries of slices(stored(change.entries))) yield { ...change, entries };
  else if ('boards' in change) for (const boards of slices(change.boards)) yield { ...change, boards };
  else yield change;
}

type Entries = Extract<Change, { type: 'scores' }>['entries'];
/** As RECORD_BATCH announces them, for which PostgreSQL would take long to make ids. */
const stored = (entries: Entries): Entries =>
  entries.map(([userId, ...entry]) => [toUuid('usr', userId) ?? '', ...entry]);

/** At least one slice, which may be empty. */
function* slices<T>(items: readonly T[]): Generator<T[]> {
  for (let start = 0; start === 0 || start < items.length; start += ITEMS_PER_NOTIFICATION)
    yield items.slice(start, start + ITEMS_PER_NOTIFICATION);
}
