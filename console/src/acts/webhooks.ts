import { html, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import type { Webhook } from '../data/types.js';
import type { Act, Input } from '../parts/act-dialog.js';
import { texts } from '../texts.js';

const t = texts.webhooks;
type Secret = (secret: string) => void;
type EventName = Webhook['events'][number];

const NAMES: readonly EventName[] = [
  'season.ended',
  'season.final',
  'season.skipped',
  'leader.changed',
  'event.held',
  'user.banned',
];

const fields = (
  webhook?: Webhook,
): TemplateResult => html`<div class="field"><label for="webhook-url">${t.url}</label>
    <input id="webhook-url" name="url" type="url" ?required=${!webhook} maxlength="2000" placeholder=${webhook ? t.urlKept : 'https://…'} autocomplete="off" spellcheck="false"></div>
  <fieldset><legend>${t.events}</legend><div class="checks">
    ${NAMES.map((name) => html`<label class="check"><input type="checkbox" name="event:${name}" value="on" ?checked=${webhook?.events.includes(name) ?? false}>${name}</label>`)}
  </div></fieldset>`;

const eventsIn = (input: Input): EventName[] => NAMES.filter((name) => input[`event:${name}`] === 'on');
const given = (reason: string | undefined) => (reason ? { reason } : {});

export const createWebhook = (shown: Secret): Act => ({
  title: t.add,
  explanation: t.addText,
  confirm: t.create,
  isReasonOptional: true,
  fields: html`${fields()}<div class="field"><label for="webhook-format">${t.format}</label>
    <select id="webhook-format" name="format"><option value="standard">Standard Webhooks</option><option value="discord">Discord</option></select></div>`,
  run: async (input) => {
    const format = input['format'] === 'discord' ? ('discord' as const) : ('standard' as const);
    const body = { url: input['url'] ?? '', events: eventsIn(input), format, ...given(input['reason']) };
    const { secret } = await call((http, signal) => http.POST('/v1/admin/webhooks', { body, signal }));
    shown(secret);
    return { said: t.created };
  },
});

export const changeWebhook = (webhook: Webhook): Act => ({
  title: t.changeTitle,
  confirm: texts.save,
  isReasonOptional: true,
  fields: fields(webhook),
  run: async (input) => {
    const body = {
      ...(input['url'] && { url: input['url'] }),
      events: eventsIn(input),
      ...given(input['reason']),
    };
    await call((http, signal) =>
      http.PATCH('/v1/admin/webhooks/{id}', { params: { path: { id: webhook.id } }, body, signal }),
    );
    return { said: t.changed };
  },
});

const setDisabled = (id: string, disabled: boolean, reason?: string) =>
  call((http, signal) =>
    http.PATCH('/v1/admin/webhooks/{id}', {
      params: { path: { id } },
      body: { disabled, ...given(reason) },
      signal,
    }),
  );

export const disable = ({ id, url, disabledAt }: Webhook): Act => ({
  title: disabledAt ? t.enableTitle(url) : t.disableTitle(url),
  explanation: disabledAt ? t.enableText : t.disableText,
  confirm: disabledAt ? t.enable : t.disable,
  isReasonOptional: true,
  run: async ({ reason }) => {
    await setDisabled(id, !disabledAt, reason);
    return {
      said: disabledAt ? t.enabled : t.disabledNow,
      undo: () => setDisabled(id, Boolean(disabledAt), texts.undo),
    };
  },
});

export const rotateWebhook = ({ id }: Webhook, shown: Secret): Act => ({
  title: t.rotateTitle,
  explanation: t.rotateText,
  confirm: t.rotate,
  reasons: null,
  run: async () => {
    const { secret } = await call((http, signal) =>
      http.POST('/v1/admin/webhooks/{id}/rotate', { params: { path: { id } }, signal }),
    );
    shown(secret);
    return { said: t.rotated };
  },
});

export const deleteWebhook = ({ id, url }: Webhook): Act => ({
  title: t.deleteTitle(url),
  explanation: t.deleteText,
  confirm: t.delete,
  isDangerous: true,
  isReasonOptional: true,
  run: async ({ reason }) => {
    await call((http, signal) =>
      http.DELETE('/v1/admin/webhooks/{id}', { params: { path: { id }, query: given(reason) }, signal }),
    );
    return { said: t.deleted };
  },
});
