import { call } from '../data/api.js';
import type { Act } from '../parts/act-dialog.js';
import { texts } from '../texts.js';
import { undoOwn } from './acts.js';

const t = texts.acts;

interface Board {
  readonly id: string;
  readonly title: string;
}

const setFrozen = (id: string, isFrozen: boolean, reason: string) =>
  call((http, signal) => {
    const options = { params: { path: { id } }, body: { reason }, signal };
    return isFrozen
      ? http.POST('/v1/admin/leaderboards/{id}/freeze', options)
      : http.POST('/v1/admin/leaderboards/{id}/unfreeze', options);
  });

export const freeze = ({ id, title }: Board): Act => ({
  kind: 'freeze',
  title: t.freeze.title(title),
  explanation: t.freeze.text,
  confirm: t.freeze.confirm,
  isDangerous: true,
  reasons: t.reasons.board,
  run: async ({ reason = '' }) => {
    await setFrozen(id, true, reason);
    return { said: t.freeze.done(title), undo: () => undoOwn(id, 'freeze-leaderboard') };
  },
});

export const unfreeze = ({ id, title }: Board): Act => ({
  kind: 'unfreeze',
  title: t.unfreeze.title(title),
  confirm: t.unfreeze.confirm,
  reasons: t.reasons.board,
  run: async ({ reason = '' }) => {
    await setFrozen(id, false, reason);
    return { said: t.unfreeze.done(title), undo: () => setFrozen(id, true, texts.undo) };
  },
});
