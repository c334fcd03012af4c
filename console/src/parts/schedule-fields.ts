import type { components } from '@scoreboard/client';
import { html, type TemplateResult } from 'lit';
import { KINDS, kindOf, linesOf, UNITS } from '../data/board-form.js';
import { texts } from '../texts.js';

type Schedule = components['schemas']['Schedule'];

const t = texts.settings.schedule;

/** When seasons begin and end. The sheet shows only the fields of the kind that is chosen. */
export function scheduleFields(schedule: Schedule | undefined): TemplateResult {
  const kind = kindOf(schedule);
  const option = (value: string, title: string, chosen: string) =>
    html`<option value=${value} ?selected=${value === chosen}>${title}</option>`;
  return html`<fieldset class="schedule">
    <legend>${t.title}</legend>
    <div class="checks">
      ${KINDS.map((value) => html`<label class="check"><input type="radio" name="kind" value=${value} ?checked=${value === kind}>${t.kinds[value]}</label>`)}
    </div>
    <div class="pair of-every">
      <div class="field"><label for="every">${t.every}</label><select id="every" name="every">${UNITS.map((unit) => option(unit, t.units[unit], schedule?.every ?? 'week'))}</select></div>
      <div class="field"><label for="interval">${t.interval}</label><input id="interval" name="interval" type="number" min="1" max="1000" .value=${String(schedule?.interval ?? '')}></div>
      <div class="field"><label for="at">${t.at}</label><input id="at" name="at" type="time" .value=${schedule?.at ?? ''}></div>
      <div class="field"><label for="weekday">${t.weekday}</label><select id="weekday" name="weekday">
        <option value="">–</option>${t.weekdays.map((day, i) => option(String(i + 1), day, String(schedule?.weekday ?? '')))}</select></div>
      <div class="field"><label for="day">${t.day}</label><input id="day" name="day" type="number" min="-1" max="28" .value=${String(schedule?.day ?? '')}></div>
    </div>
    <div class="field of-cron"><label for="cron">${t.cron}</label><input id="cron" name="cron" class="mono" autocomplete="off" spellcheck="false" placeholder="0 12 1 * *" .value=${schedule?.cron ?? ''}></div>
    <div class="field of-zone"><label for="timeZone">${t.timeZone}</label><input id="timeZone" name="timeZone" autocomplete="off" spellcheck="false" placeholder="UTC" list="zones" .value=${schedule?.timeZone ?? ''}>
      <datalist id="zones">${Intl.supportedValuesOf('timeZone').map((zone) => html`<option value=${zone}></option>`)}</datalist></div>
    <div class="field of-listed"><label for="seasons">${t.listed}</label><textarea id="seasons" name="seasons" class="mono" rows="5" spellcheck="false" placeholder=${t.listedExample} .value=${schedule ? linesOf(schedule) : ''}></textarea></div>
  </fieldset>`;
}
