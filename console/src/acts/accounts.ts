import { html } from 'lit';
import { call } from '../data/api.js';
import { session } from '../data/session.js';
import type { ServiceAccount } from '../data/types.js';
import type { Act } from '../parts/act-dialog.js';
import { texts } from '../texts.js';

const t = texts.accounts;

type Secret = (id: string, secret: string) => void;

/** @param shown what shows the secret, which is known only now */
export const createAccount = (shown: Secret): Act => ({
  title: t.add,
  explanation: t.addText,
  confirm: t.create,
  isReasonOptional: true,
  fields: html`<div class="field"><label for="account-name">${t.name}</label>
      <input id="account-name" name="name" required pattern="[A-Za-z0-9][A-Za-z0-9_.\\-]{0,63}" autocomplete="off" spellcheck="false"></div>
    <fieldset><legend>${t.scopes}</legend><div class="scopes">
      ${(session.current?.scopes ?? []).map(
        (scope) =>
          html`<label class="check"><input type="checkbox" name="scope:${scope}" value="on"><span>${scope}<small>${t.scopeTexts[scope]}</small></span></label>`,
      )}
    </div></fieldset>`,
  run: async ({ name = '', reason = '', ...input }) => {
    const scopes = (session.current?.scopes ?? []).filter((scope) => input[`scope:${scope}`] === 'on');
    const body = { name, scopes, ...(reason !== '' && { reason }) };
    const { id, secret } = await call((http, signal) =>
      http.POST('/v1/admin/service-accounts', { body, signal }),
    );
    shown(id, secret);
    return { said: t.created(name) };
  },
});

export const rotateAccount = ({ id, name }: ServiceAccount, shown: Secret): Act => ({
  title: t.rotateTitle(name),
  explanation: t.rotateText,
  confirm: t.rotate,
  isReasonOptional: true,
  fields: html`<div class="field"><label for="account-overlap">${t.overlap}</label>
    <select id="account-overlap" name="overlap">
      ${t.overlaps.map(([seconds, title]) => html`<option value=${seconds} ?selected=${seconds === '86400'}>${title}</option>`)}
    </select></div>`,
  run: async ({ overlap, reason = '' }) => {
    const body = { overlapSeconds: Number(overlap), ...(reason !== '' && { reason }) };
    const made = await call((http, signal) =>
      http.POST('/v1/admin/service-accounts/{id}/rotate', { params: { path: { id } }, body, signal }),
    );
    shown(id, made.secret);
    return { said: t.rotated(name) };
  },
});

export const revokeAccount = ({ id, name }: ServiceAccount): Act => ({
  title: t.revokeTitle(name),
  explanation: t.revokeText,
  confirm: t.revoke,
  isDangerous: true,
  reasons: t.reasons,
  run: async ({ reason = '' }) => {
    await call((http, signal) =>
      http.POST('/v1/admin/service-accounts/{id}/revoke', {
        params: { path: { id } },
        body: { reason },
        signal,
      }),
    );
    return { said: t.revoked(name) };
  },
});
