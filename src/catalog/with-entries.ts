import type { Leaderboard } from '../../schemas/leaderboard.js';
import { type BoardKey, boardKey } from '../board-key.js';
import { instant } from '../clock.js';
import type { LeaderboardDefinition } from './catalog.js';

interface Totals {
  /** How many entries each board has. */
  totals(keys: readonly BoardKey[]): Promise<number[]>;
}

/** Leaderboards as the API shows them: each with the number of its entries, and the time. */
export async function withEntries(
  leaderboards: Totals,
  definitions: readonly LeaderboardDefinition[],
): Promise<Leaderboard[]> {
  const totals = await leaderboards.totals(definitions.map(keyOf));
  const time = instant();
  return definitions.map((definition, i) => ({ ...definition, entries: totals[i] ?? 0, now: time }));
}

export async function withTotal<D extends LeaderboardDefinition>(
  leaderboards: Totals,
  definition: D,
): Promise<D & Pick<Leaderboard, 'entries' | 'now'>> {
  const [entries = 0] = await leaderboards.totals([keyOf(definition)]);
  return { ...definition, entries, now: instant() };
}

const keyOf = ({ id, season }: LeaderboardDefinition): BoardKey => boardKey(id, season);
