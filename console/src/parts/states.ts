import type { ScoreboardError } from '@scoreboard/client';
import { html, type TemplateResult } from 'lit';
import type { Resource } from '../data/resource.js';
import { texts } from '../texts.js';

/** What a resource has to show: bones until it is read, why it cannot be read, or `ready` with its value. */
export function shown<T>(
  resource: Resource<T>,
  ready: (value: T) => TemplateResult,
  bones: TemplateResult = rowsOfBones(),
): TemplateResult {
  const { value, error } = resource;
  if (value !== undefined) return ready(value);
  if (error === undefined) return bones;
  return html`<div class="state" role="alert">
    <h2>${titleOf(error)}</h2>
    <p>${explain(error)}</p>
    <button type="button" class="button" @click=${() => resource.restart()}>${texts.tryAgain}</button>
  </div>`;
}

const titleOf = ({ code }: ScoreboardError): string =>
  code === 'not-found' ? texts.notFound : code === 'forbidden' ? texts.notAllowed : texts.cannotShow;

/** Why something has failed, for people. */
export function explain(error: ScoreboardError): string {
  if (error.code === 'unreachable') return texts.unreachable;
  if (error.code === 'rate-limited') return texts.rateLimited;
  const details = error.errors?.map(({ path, message }) => `${path.replace(/^\//, '')} ${message}`.trim());
  return details && details.length > 0 ? details.join('. ') : error.message;
}

export const empty = (title: string, text = ''): TemplateResult =>
  html`<div class="state"><h2>${title}</h2>${text === '' ? '' : html`<p>${text}</p>`}</div>`;

export const rowsOfBones = (rows = 8): TemplateResult =>
  html`<div class="bones" role="status" aria-label=${texts.loading}>
    ${Array.from({ length: rows }, () => html`<div class="bone"></div>`)}
  </div>`;
