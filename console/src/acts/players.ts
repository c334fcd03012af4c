import { html } from 'lit';
import { call } from '../data/api.js';
import { forgetName } from '../data/players.js';
import { fromLocal } from '../format.js';
import type { Act } from '../parts/act-dialog.js';
import type { Done } from '../parts/toasts.js';
import { texts } from '../texts.js';
import { undoOwn } from './acts.js';

export interface Named {
  readonly id: string;
  readonly displayName: string;
}

const t = texts.acts;

const unban = (id: string, reason: string) =>
  call((http, signal) =>
    http.POST('/v1/admin/users/{id}/unban', { params: { path: { id } }, body: { reason }, signal }),
  );

interface Change {
  readonly displayName?: string;
  readonly nameLocked?: boolean;
  readonly hidden?: boolean;
}
const change = (id: string, change: Change, reason: string) =>
  call((http, signal) =>
    http.PATCH('/v1/admin/users/{id}', { params: { path: { id } }, body: { ...change, reason }, signal }),
  );

/** @param until when the ban ends by itself; for good if undefined */
export async function banNow({ id, displayName }: Named, reason: string, until?: string): Promise<Done> {
  const body = { reason, ...(until !== undefined && { until }) };
  await call((http, signal) =>
    http.POST('/v1/admin/users/{id}/ban', { params: { path: { id } }, body, signal }),
  );
  return { said: t.ban.done(displayName), undo: () => undoOwn(id, 'ban-user') };
}

export const ban = (player: Named): Act => ({
  kind: 'ban',
  title: t.ban.title(player.displayName),
  explanation: t.ban.text,
  confirm: t.ban.confirm,
  isDangerous: true,
  reasons: t.reasons.cheat,
  fields: html`<div class="field">
    <label for="ban-until">${t.ban.untilOptional}</label>
    <input id="ban-until" name="until" type="datetime-local">
  </div>`,
  run: ({ reason = '', until = '' }) => banNow(player, reason, fromLocal(until)),
});

export const liftBan = ({ id, displayName }: Named): Act => ({
  kind: 'lift',
  title: t.unban.title(displayName),
  explanation: t.unban.text,
  confirm: t.unban.confirm,
  reasons: t.reasons.real,
  run: async ({ reason = '' }) => {
    await unban(id, reason);
    return { said: t.unban.done(displayName) };
  },
});

export const setHidden = ({ id, displayName }: Named, hidden: boolean): Act => {
  const words = hidden ? t.hide : t.unhide;
  return {
    kind: hidden ? 'hide' : 'unhide',
    title: words.title(displayName),
    explanation: words.text,
    confirm: words.confirm,
    isDangerous: hidden,
    reasons: hidden ? t.reasons.cheat : t.reasons.real,
    run: async ({ reason = '' }) => {
      await change(id, { hidden }, reason);
      const undo = () => (hidden ? undoOwn(id, 'hide-user') : change(id, { hidden: true }, texts.undo));
      return { said: words.done(displayName), undo };
    },
  };
};

export const rename = ({ id, displayName }: Named): Act => ({
  kind: 'rename',
  title: t.rename.title(displayName),
  explanation: t.rename.text,
  confirm: t.rename.confirm,
  reasons: t.reasons.name,
  fields: html`<div class="field">
    <label for="new-name">${t.rename.name}</label>
    <input id="new-name" name="displayName" required maxlength="128" autocomplete="off" .value=${t.rename.given}>
  </div>`,
  run: async ({ reason = '', displayName: name = '' }) => {
    await change(id, { displayName: name }, reason);
    forgetName(id);
    const undo = async () => {
      await undoOwn(id, 'rename-user');
      forgetName(id);
    };
    return { said: t.rename.done(displayName, name), undo };
  },
});

export const endSessions = ({ id, displayName }: Named): Act => ({
  kind: 'sessions',
  title: t.endSessions.title(displayName),
  explanation: t.endSessions.text,
  confirm: t.endSessions.confirm,
  reasons: t.reasons.account,
  run: async ({ reason = '' }) => {
    const params = { path: { id }, query: { reason } };
    await call((http, signal) => http.DELETE('/v1/admin/users/{id}/sessions', { params, signal }));
    return { said: t.endSessions.done(displayName) };
  },
});

export const erase = ({ id, displayName }: Named): Act => ({
  kind: 'erase',
  title: t.erase.title(displayName),
  explanation: t.erase.text,
  confirm: t.erase.confirm,
  isDangerous: true,
  reasons: t.reasons.erase,
  run: async ({ reason = '' }) => {
    const params = { path: { id }, query: { reason } };
    await call((http, signal) => http.DELETE('/v1/admin/users/{id}', { params, signal }));
    forgetName(id);
    return { said: t.erase.done(displayName) };
  },
});
