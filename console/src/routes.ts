import { html, type TemplateResult } from 'lit';
import type { Place, Route } from './router.js';
import './screens/accounts.js';
import './screens/action.js';
import './screens/actions.js';
import './screens/audit.js';
import './screens/board.js';
import './screens/board-settings.js';
import './screens/boards.js';
import './screens/data.js';
import './screens/held.js';
import './screens/player.js';
import './screens/players.js';
import './screens/seasons.js';
import './screens/webhook.js';
import './screens/webhooks.js';
import './screens/overview.js';

/** The screen of each address. */
export const ROUTES: readonly Route<(place: Place) => TemplateResult>[] = [
  { pattern: '', to: (place) => html`<overview-screen .place=${place}></overview-screen>` },
  { pattern: 'held', to: (place) => html`<held-screen .place=${place}></held-screen>` },
  { pattern: 'players', to: (place) => html`<players-screen .place=${place}></players-screen>` },
  { pattern: 'players/:id', to: (place) => html`<player-screen .place=${place}></player-screen>` },
  { pattern: 'boards', to: (place) => html`<boards-screen .place=${place}></boards-screen>` },
  { pattern: 'actions', to: (place) => html`<actions-screen .place=${place}></actions-screen>` },
  { pattern: 'actions/:id', to: (place) => html`<action-screen .place=${place}></action-screen>` },
  { pattern: 'accounts', to: (place) => html`<accounts-screen .place=${place}></accounts-screen>` },
  { pattern: 'webhooks', to: (place) => html`<webhooks-screen .place=${place}></webhooks-screen>` },
  { pattern: 'webhooks/:id', to: (place) => html`<webhook-screen .place=${place}></webhook-screen>` },
  {
    pattern: 'boards/new',
    to: (place) => html`<board-settings-screen .place=${place}></board-settings-screen>`,
  },
  {
    pattern: 'boards/:id/settings',
    to: (place) => html`<board-settings-screen .place=${place}></board-settings-screen>`,
  },
  { pattern: 'boards/:id/seasons', to: (place) => html`<seasons-screen .place=${place}></seasons-screen>` },
  { pattern: 'data', to: (place) => html`<data-screen .place=${place}></data-screen>` },
  { pattern: 'audit', to: (place) => html`<audit-screen .place=${place}></audit-screen>` },
  { pattern: 'boards/:id', to: (place) => html`<board-screen .place=${place}></board-screen>` },
];
