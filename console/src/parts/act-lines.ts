import { html, nothing, type TemplateResult } from 'lit';
import type { AuditEntry } from '../data/types.js';
import { texts } from '../texts.js';
import { since } from './time.js';

const t = texts.audit;

/** Who has done it, by name. */
export const actor = ({ actor, actorName }: AuditEntry): string =>
  actorName ?? (actor === 'service' ? t.service : actor);

/** What was done, as words. */
export const actTitle = ({ action }: AuditEntry): string => t.actions[action] ?? action;

/** Acts as a short list. */
export const actLines = (acts: readonly AuditEntry[], none: string): TemplateResult =>
  acts.length === 0
    ? html`<p class="soft">${none}</p>`
    : html`<ul class="lines">
        ${acts.map(
          (act) => html`<li>
            <span><b>${actTitle(act)}</b> <span class="soft">${t.by} <bdi>${actor(act)}</bdi></span>${act.undoneBy ? html` <span class="mark">${t.undone}</span>` : nothing}</span>
            <span class="end soft">${since(act.at)}</span>
            ${act.reason ? html`<q class="reason">${act.reason}</q>` : nothing}
          </li>`,
        )}
      </ul>`;
