import { call } from '../data/api.js';
import type { Act } from '../parts/act-dialog.js';
import { texts } from '../texts.js';
import { undoAct } from './acts.js';
import type { Named } from './players.js';

const t = texts.acts;

/** Takes a player off one board, with the events that its entry is made of. */
export const deleteEntry = (
  { id: userId, displayName }: Named,
  board: { id: string; title: string },
): Act => ({
  kind: 'entry',
  title: t.deleteEntry.title(displayName, board.title),
  explanation: t.deleteEntry.text,
  confirm: t.deleteEntry.confirm,
  isDangerous: true,
  reasons: t.reasons.cheat,
  run: async ({ reason = '' }) => {
    const params = { path: { id: board.id, userId }, query: { reason } };
    const { id } = await call((http, signal) =>
      http.DELETE('/v1/admin/leaderboards/{id}/entries/{userId}', { params, signal }),
    );
    return { said: t.deleteEntry.done(displayName, board.title), undo: () => undoAct(id, texts.undo) };
  },
});
