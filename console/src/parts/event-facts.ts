import { html, nothing, type TemplateResult } from 'lit';
import type { AdminEvent } from '../data/types.js';
import { number } from '../format.js';
import { href } from '../router.js';
import { texts } from '../texts.js';
import { at } from './time.js';

const t = texts.held;

const issuer = ({ issuedBy, signingKey }: AdminEvent): string =>
  issuedBy === 'player' ? t.byPlayer : (issuedBy ?? `${t.minted}${signingKey ? ` (${signingKey})` : ''}`);

/** Which limit was exceeded, beside what is usual. */
const because = ({
  leaderboard,
  allowed,
  reached,
  usual,
}: NonNullable<AdminEvent['heldBecause']>): TemplateResult => html`<div>
    <dt>${t.because}</dt><dd>${leaderboard === null ? t.outlier(number(reached), number(allowed)) : t.limit(number(reached), number(allowed), leaderboard)}</dd>
  </div>
  <div><dt>${t.usual}</dt><dd>${usual ? t.usually(number(usual.median), number(usual.most), number(usual.events)) : t.unusual}</dd></div>`;

/** What is known of a score event. Metadata is what a player's game has sent: it is shown as text. */
export const eventFacts = (event: AdminEvent): TemplateResult => html`<dl class="pairs">
  ${event.heldBecause ? because(event.heldBecause) : nothing}
  <div><dt>${t.action}</dt><dd><a href=${href(`actions/${event.action}`)}>${event.action}</a></dd></div>
  <div><dt>${t.accepted}</dt><dd>${at(event.acceptedAt)}</dd></div>
  <div>
    <dt>${t.counts}</dt>
    <dd>${event.leaderboards.map(({ id }, i) => html`${i > 0 ? ', ' : ''}<a href=${href(`boards/${id}`)}>${id}</a>`)}</dd>
  </div>
  <div><dt>${t.issued}</dt><dd>${issuer(event)}</dd></div>
  <div><dt>${t.id}</dt><dd class="mono">${event.eventId}</dd></div>
  <div class="block"><dt>${t.metadata}</dt><dd class="mono">${event.metadata === null ? t.noMetadata : html`<pre>${JSON.stringify(event.metadata, null, 2)}</pre>`}</dd></div>
</dl>`;
