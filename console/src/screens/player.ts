import { html, nothing, type TemplateResult } from 'lit';
import { type NamedEvent, release, voidEvent } from '../acts/events.js';
import { ban, endSessions, erase, liftBan, rename, setHidden } from '../acts/players.js';
import { voidAll } from '../acts/void-all.js';
import { readPlayer } from '../data/players.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { PlayerDetails } from '../data/types.js';
import { Screen } from '../element.js';
import { number } from '../format.js';
import { type Act, ask } from '../parts/act-dialog.js';
import { actLines } from '../parts/act-lines.js';
import { playerMarks } from '../parts/player-marks.js';
import { shown } from '../parts/states.js';
import { at, since } from '../parts/time.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.player;
const EVERY_MS = 10_000;

/** One player, with everything that is known and can be done. */
class PlayerScreen extends Screen {
  readonly #player = new Resource(this, (signal) => readPlayer(this.param('id'), signal), {
    everyMs: EVERY_MS,
  });

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener('acted', this.#acted);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('acted', this.#acted);
  }

  #acted = (): void => {
    this.#player.refresh();
  };

  protected override render() {
    const player = this.#player.value;
    return html`<header class="heading">
        <div>
          <p class="crumb"><a href=${href('players')}>${texts.players.title}</a></p>
          <h1 tabindex="-1"><bdi>${player ? player.displayName || texts.players.erased : texts.players.one}</bdi></h1>
        </div>
        ${player ? html`${playerMarks(player)}${session.may('moderation') ? this.#acts(player) : nothing}` : nothing}
      </header>
      ${shown(this.#player, (player) => this.#all(player))}`;
  }

  #acts(player: PlayerDetails): TemplateResult {
    if (player.erasedAt) return html``;
    const button = (title: string, act: Act, look = '') =>
      html`<button type="button" class="button ${look}" @click=${() => ask(act)}>${title}</button>`;
    return html`<div class="buttons">
      ${button(t.rename, rename(player))}
      ${player.hiddenAt ? button(t.unhide, setHidden(player, false)) : button(t.hide, setHidden(player, true))}
      ${button(t.endSessions, endSessions(player))}
      ${button(t.voidAll, voidAll(player), 'bad')}
      ${player.bannedAt ? button(t.liftBan, liftBan(player)) : button(t.ban, ban(player), 'bad')}
      ${button(t.erase, erase(player), 'bad')}
    </div>`;
  }

  #all(player: PlayerDetails): TemplateResult {
    return html`<div class="columns">
      <section class="card" aria-labelledby="player-facts"><h2 id="player-facts">${t.facts}</h2>${this.#facts(player)}</section>
      <section class="card" aria-labelledby="player-acts"><h2 id="player-acts">${t.acts}</h2>${actLines(player.acts, t.noActs)}</section>
      <section class="full" aria-labelledby="player-entries"><h2 id="player-entries">${t.entries}</h2>${this.#entries(player)}</section>
      <section class="full" aria-labelledby="player-events"><h2 id="player-events">${t.events}</h2>${this.#events(player)}</section>
      <section class="full" aria-labelledby="player-sessions"><h2 id="player-sessions">${t.sessions}</h2>${this.#sessions(player)}</section>
    </div>`;
  }

  #facts({ id, username, externalId, role, createdAt }: PlayerDetails): TemplateResult {
    return html`<dl class="pairs">
      <div><dt>${t.id}</dt><dd class="mono">${id}</dd></div>
      <div><dt>${t.username}</dt><dd>${username ?? texts.players.guest}</dd></div>
      <div><dt>${t.externalId}</dt><dd><bdi>${externalId ?? t.none}</bdi></dd></div>
      <div><dt>${t.role}</dt><dd>${role}</dd></div>
      <div><dt>${t.created}</dt><dd>${at(createdAt)}</dd></div>
    </dl>`;
  }

  #entries({ entries }: PlayerDetails): TemplateResult {
    const c = t.columns;
    if (entries.length === 0) return html`<p class="soft">${t.noEntries}</p>`;
    return html`<div class="sheet"><table>
      <thead><tr><th scope="col">${c.board}</th><th scope="col" class="number">${c.rank}</th><th scope="col" class="number">${c.score}</th><th scope="col" class="roomy">${c.at}</th></tr></thead>
      <tbody>${entries.map(
        ({ leaderboard, title, rank, score, achievedAt, withheld }) => html`<tr>
          <th scope="row"><a href=${href(`boards/${leaderboard}`)}>${title}</a></th>
          <td class="number">${rank === null ? html`<span class="soft">${withheld ? t.withheld : '–'}</span>` : number(rank)}</td>
          <td class="number score">${number(score)}</td>
          <td class="roomy soft">${at(achievedAt)}</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }

  #events({ events, displayName }: PlayerDetails): TemplateResult {
    const c = t.columns;
    if (events.length === 0) return html`<p class="soft">${t.noEvents}</p>`;
    return html`<div class="sheet"><table>
      <thead><tr>
        <th scope="col">${c.action}</th><th scope="col" class="number">${c.points}</th><th scope="col">${c.state}</th>
        <th scope="col" class="roomy">${c.at}</th><th scope="col" class="acts"><span class="unseen">${texts.board.columns.acts}</span></th>
      </tr></thead>
      <tbody>${events.map((event) => this.#event({ ...event, displayName }))}</tbody>
    </table></div>`;
  }

  #event(event: NamedEvent): TemplateResult {
    const { status } = event;
    const named = (verb: string) => `${verb}: ${texts.held.points(number(event.points))}`;
    return html`<tr>
      <th scope="row">${event.action}</th>
      <td class="number score">${number(event.points)}</td>
      <td><span class="dot ${status === 'counted' ? 'ok' : status === 'held' ? 'waits' : 'error'}">${t.statuses[status]}</span></td>
      <td class="roomy soft">${since(event.acceptedAt)}</td>
      <td class="acts">
        ${
          session.may('moderation')
            ? html`${status === 'held' ? html`<button type="button" class="button small" aria-label=${named(texts.held.release)} @click=${() => ask(release(event))}>${texts.held.release}</button>` : nothing}
              ${status === 'voided' ? nothing : html`<button type="button" class="button small" aria-label=${named(texts.held.void)} @click=${() => ask(voidEvent(event))}>${texts.held.void}</button>`}`
            : nothing
        }
      </td>
    </tr>`;
  }

  #sessions({ sessions }: PlayerDetails): TemplateResult {
    if (sessions.length === 0) return html`<p class="soft">${t.noSessions}</p>`;
    const c = t.columns;
    return html`<div class="sheet"><table>
      <thead><tr><th scope="col">${c.begun}</th><th scope="col">${c.used}</th><th scope="col">${c.ends}</th></tr></thead>
      <tbody>${sessions.map(
        ({ createdAt, refreshedAt, expiresAt, revokedAt }) => html`<tr>
          <th scope="row">${at(createdAt)}</th><td>${since(refreshedAt)}</td>
          <td>${revokedAt ? html`${t.ended} ${since(revokedAt)}` : at(expiresAt)}</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }
}
customElements.define('player-screen', PlayerScreen);
