import type pg from 'pg';
import type { Action } from '../../schemas/action.js';
import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import { transact } from '../postgres/database.js';
import { putAction } from './action-rows.js';

const DEMO_ACTIONS: readonly Action[] = [
  {
    id: 'collect-coin',
    title: 'Collect a coin',
    points: { min: 10, max: 10 },
    leaderboards: ['global'],
    issuer: 'player',
    minDurationMs: 0,
  },
  {
    id: 'finish-level',
    title: 'Finish a level',
    points: { min: 1, max: 100 },
    leaderboards: ['global'],
    issuer: 'player',
    minDurationMs: 1_000,
  },
  {
    id: 'win-match',
    title: 'Win a match',
    points: { min: 250, max: 250 },
    leaderboards: ['global'],
    issuer: 'server',
    minDurationMs: 0,
  },
];

/**
 * Adds the demo actions to a database that has their leaderboard, and no actions at all. Players issue tokens for them at will, so
 * that is only for databases that a development start or a test run has made itself.
 */
export async function seedDemoActions(pool: pg.Pool): Promise<void> {
  await transact(pool, async (client) => {
    // Of starts at the same time one seeds; the others wait for it and find the actions there.
    await client.query('LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE');
    const { rowCount } = await client.query(
      `SELECT FROM leaderboards WHERE id = 'global' AND removed_at IS NULL AND NOT EXISTS (SELECT FROM actions)`,
    );
    if (rowCount === 0) return;
    for (const action of DEMO_ACTIONS) {
      await putAction(client, action);
      // Not an instance: each of them is to take note.
      await announce(client, { type: 'action', id: newId('chg'), writer: 'demo-actions', action: action.id });
    }
  });
}
