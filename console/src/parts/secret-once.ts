import { html, type TemplateResult } from 'lit';
import { texts } from '../texts.js';

/** A secret that is shown until somebody has kept it. */
export const secretOnce = (
  title: string,
  values: readonly (readonly [name: string, value: string])[],
  onKept: () => void,
): TemplateResult => html`<section class="card once" aria-labelledby="once-title">
  <h2 id="once-title">${title}</h2>
  <dl class="pairs">${values.map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${value}</dd></div>`)}</dl>
  <div class="buttons"><button type="button" class="button" @click=${onKept}>${texts.kept}</button></div>
</section>`;
