import { html, type TemplateResult } from 'lit';
import { ago, moment, preciseMoment } from '../format.js';

/** How long ago something was, or when it will be. */
export const since = (time: string): TemplateResult =>
  html`<time datetime=${time} title=${preciseMoment(time)}>${ago(time)}</time>`;

export const at = (time: string): TemplateResult =>
  html`<time datetime=${time} title=${preciseMoment(time)}>${moment(time)}</time>`;
