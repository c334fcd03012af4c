import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';

/** The PostgreSQL notification channel on which instances tell one another what has changed. */
export const CHANGES_CHANNEL = 'scoreboard_changes';

/** What other instances must know. Sent with the transaction that made it so: nothing is announced that did not happen. */
const Change = Type.Union([
  Type.Object({
    type: Type.Literal('scores'),
    /** The instance that wrote the batch, which has applied it already. */
    instance: Type.String(),
    leaderboard: Type.String(),
    season: Type.Integer(),
    /** `[userId, score, achievedAt in ms, version]`; a score of null takes the entry off the board. */
    entries: Type.Array(
      Type.Tuple([Type.String(), Type.Union([Type.Integer(), Type.Null()]), Type.Integer(), Type.Integer()]),
    ),
  }),
  Type.Object({ type: Type.Literal('user-renamed'), userId: Type.String(), displayName: Type.String() }),
  Type.Object({ type: Type.Literal('user-erased'), userId: Type.String() }),
  Type.Object({ type: Type.Literal('session-revoked'), sessionId: Type.String() }),
  Type.Object({ type: Type.Literal('service-account-revoked'), accountId: Type.String() }),
  Type.Object({ type: Type.Literal('catalog') }),
]);

export type Change = Static<typeof Change>;

const compiled = TypeCompiler.Compile(Change);

/** Parses a notification, or gives null if it is none of ours (anybody may NOTIFY). */
export function parseChange(payload: string): Change | null {
  try {
    const value: unknown = JSON.parse(payload);
    return compiled.Check(value) ? value : null;
  } catch {
    return null;
  }
}

/** Announces a change when the transaction of `client` commits. */
export async function announce(
  client: { query(text: string, values: unknown[]): Promise<unknown> },
  change: Change,
): Promise<void> {
  await client.query(`SELECT pg_notify('${CHANGES_CHANNEL}', $1)`, [JSON.stringify(change)]);
}
