import { html, nothing, type TemplateResult } from 'lit';
import { firstPage, type Pages, withPage } from '../data/pages.js';
import { listPlayers, type PlayersQuery } from '../data/players.js';
import { Resource } from '../data/resource.js';
import type { Player } from '../data/types.js';
import { Screen } from '../element.js';
import { playerMarks } from '../parts/player-marks.js';
import { empty, shown } from '../parts/states.js';
import { since } from '../parts/time.js';
import { complain } from '../parts/toasts.js';
import { go, href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.players;
/** After the last key, in milliseconds. */
const PAUSE_MS = 200;

/** Players by name, or the newest. */
class PlayersScreen extends Screen {
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #players = new Resource<Pages<Player>>(this, async (signal) =>
    firstPage(await listPlayers(this.#query, undefined, signal)),
  );

  get #query(): PlayersQuery {
    const { query } = this.place;
    const banned = query.get('banned');
    return {
      q: query.get('q') ?? undefined,
      externalId: query.get('externalId') ?? undefined,
      ...(banned !== null && { banned: banned === 'true' }),
    };
  }

  /** Somebody who opens a player right after the last key is not taken back to the list. */
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  override placeChanged(): void {
    this.#players.refresh();
    this.requestUpdate();
  }

  protected override render() {
    const { q = '', externalId = '', banned } = this.#query;
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1></header>
      <form class="filters" role="search" @input=${this.#typed} @submit=${this.#submit}>
        <div class="field"><label for="players-q">${t.q}</label>
          <input id="players-q" name="q" type="search" maxlength="128" autocomplete="off" spellcheck="false" .value=${q}></div>
        <div class="field"><label for="players-id">${t.externalId}</label>
          <input id="players-id" name="externalId" maxlength="128" autocomplete="off" spellcheck="false" .value=${externalId}></div>
        <div class="field"><label for="players-banned">${t.bannedLabel}</label>
          <select id="players-banned" name="banned">
            <option value="" ?selected=${banned === undefined}>${texts.all}</option>
            <option value="true" ?selected=${banned === true}>${t.onlyBanned}</option>
            <option value="false" ?selected=${banned === false}>${t.notBanned}</option>
          </select></div>
      </form>
      ${shown(this.#players, (players) => (players.items.length === 0 ? empty(t.none, t.noneText) : this.#table(players)))}`;
  }

  #table({ items, next }: Pages<Player>): TemplateResult {
    const c = t.columns;
    return html`<div class="sheet"><table>
        <thead><tr>
          <th scope="col">${c.name}</th><th scope="col" class="roomy">${c.username}</th><th scope="col" class="roomy">${c.externalId}</th>
          <th scope="col">${c.state}</th><th scope="col" class="roomy">${c.created}</th>
        </tr></thead>
        <tbody>
          ${items.map(
            (player) => html`<tr>
              <th scope="row"><a href=${href(`players/${player.id}`)}><bdi>${player.displayName || t.erased}</bdi></a></th>
              <td class="roomy">${player.username ?? html`<span class="soft">${t.guest}</span>`}</td>
              <td class="roomy"><bdi>${player.externalId ?? ''}</bdi></td>
              <td>${playerMarks(player)}</td>
              <td class="roomy soft">${since(player.createdAt)}</td>
            </tr>`,
          )}
        </tbody>
      </table></div>
      ${next ? html`<button type="button" class="button more" @click=${() => this.#more(next)}>${texts.more}</button>` : nothing}`;
  }

  #typed = (event: Event): void => {
    const form = event.currentTarget;
    if (!(form instanceof HTMLFormElement)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const data = new FormData(form);
      const field = (name: string) => String(data.get(name) ?? '').trim();
      const query = { q: field('q'), externalId: field('externalId'), banned: field('banned') };
      go(href('players', query), { replace: true });
    }, PAUSE_MS);
  };

  /** Enter opens the only one that is found. */
  #submit = (event: Event): void => {
    event.preventDefault();
    const [only, ...others] = this.#players.value?.items ?? [];
    if (only && others.length === 0) go(href(`players/${only.id}`));
  };

  async #more(cursor: string): Promise<void> {
    try {
      const read = await listPlayers(this.#query, cursor);
      if (this.#players.value) this.#players.value = withPage(this.#players.value, read);
      this.requestUpdate();
    } catch (error) {
      complain(error);
    }
  }
}
customElements.define('players-screen', PlayersScreen);
