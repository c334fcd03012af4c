import { html } from 'lit';
import { call } from '../data/api.js';
import { fromLocal } from '../format.js';
import type { Act } from '../parts/act-dialog.js';
import { texts } from '../texts.js';

const t = texts.seasons;

export const endSeason = (id: string, title: string): Act => ({
  kind: 'end-season',
  title: t.endTitle(title),
  explanation: t.endText,
  confirm: t.end,
  isDangerous: true,
  reasons: t.reasons,
  fields: html`<div class="field"><label for="season-ends">${t.endsOptional}</label><input id="season-ends" name="endsAt" type="datetime-local"></div>
    <div class="field"><label for="season-next">${t.nextLabel}</label><input id="season-next" name="label" maxlength="100" autocomplete="off"></div>`,
  run: async ({ reason = '', endsAt = '', label = '' }) => {
    const body = { reason, endsAt: fromLocal(endsAt), ...(label !== '' && { label }) };
    await call((http, signal) =>
      http.POST('/v1/admin/leaderboards/{id}/seasons', { params: { path: { id } }, body, signal }),
    );
    return { said: t.ended(title) };
  },
});

export const changeSeason = (id: string, season: number, label: string | null): Act => ({
  kind: 'change-season',
  title: t.changeTitle(season),
  confirm: texts.save,
  reasons: t.reasons,
  fields: html`<div class="field"><label for="season-label">${t.label}</label><input id="season-label" name="label" maxlength="100" autocomplete="off" .value=${label ?? ''}></div>
    <div class="field"><label for="season-ends">${t.newEnd}</label><input id="season-ends" name="endsAt" type="datetime-local"></div>`,
  run: async ({ reason = '', endsAt = '', label: given = '' }) => {
    const end = fromLocal(endsAt);
    const body = { reason, label: given === '' ? null : given, ...(end !== undefined && { endsAt: end }) };
    await call((http, signal) =>
      http.PATCH('/v1/admin/leaderboards/{id}/seasons/{season}', {
        params: { path: { id, season } },
        body,
        signal,
      }),
    );
    return { said: t.changed(season) };
  },
});
