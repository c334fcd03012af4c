import { html, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import { Resource } from '../data/resource.js';
import type { Overview } from '../data/types.js';
import { Screen } from '../element.js';
import { countOf, number } from '../format.js';
import { bars } from '../parts/chart.js';
import { shown } from '../parts/states.js';
import { at, since } from '../parts/time.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

const EVERY_MS = 5_000;
const t = texts.overview;

/** How things are. */
class OverviewScreen extends Screen {
  readonly #overview = new Resource(
    this,
    (signal) => call((http, signal) => http.GET('/v1/admin/overview', { signal }), signal),
    { everyMs: EVERY_MS },
  );

  protected override render() {
    return html`<h1 tabindex="-1">${t.title}</h1>
      ${shown(this.#overview, (overview) => this.#tiles(overview), this.#bones())}`;
  }

  #bones = (): TemplateResult =>
    html`<div class="tiles" role="status" aria-label=${texts.loading}>
      ${Array.from({ length: 7 }, (_, i) => html`<div class="tile ${i === 0 || i > 4 ? 'wide' : ''}"></div>`)}
    </div>`;

  #tiles({ scores, players, held, seasons, checks, instance }: Overview): TemplateResult {
    const last = scores.at(-1) ?? 0;
    const rejected = instance.rejectedTokens.reduce((sum, count) => sum + count, 0);
    return html`<div class="tiles">
      <section class="tile wide" aria-labelledby="tile-scores">
        <h2 id="tile-scores">${t.scores}</h2>
        <p class="figure">${number(last)}</p>
        <p class="note">${t.scoresNote}</p>
        ${bars(scores, t.scoresLabel(number(last), number(Math.max(...scores))))}
      </section>
      <section class="tile" aria-labelledby="tile-players">
        <h2 id="tile-players">${t.players}</h2>
        <p class="figure">${countOf(players)}</p>
        <p class="note">${t.playersNote}</p>
      </section>
      <section class="tile ${held.count > 0 ? 'calls' : ''}" aria-labelledby="tile-held">
        <h2 id="tile-held">${t.held}</h2>
        <p class="figure">${countOf(held)}</p>
        <p class="note">${held.count > 0 ? html`<a href=${href('held')}>${t.review}</a>` : t.nothingHeld}</p>
      </section>
      <section class="tile" aria-labelledby="tile-streams">
        <h2 id="tile-streams">${t.streams}</h2>
        <p class="figure">${number(instance.streams)}</p>
        <p class="note">${t.streamsNote(number(instance.streamsCapacity))}</p>
      </section>
      <section class="tile" aria-labelledby="tile-rejected">
        <h2 id="tile-rejected">${t.rejected}</h2>
        <p class="figure">${number(rejected)}</p>
        <p class="note">${t.rejectedNote}</p>
        ${bars(instance.rejectedTokens, t.rejectedLabel(number(rejected), number(Math.max(...instance.rejectedTokens))))}
      </section>
      <section class="tile wide" aria-labelledby="tile-seasons">
        <h2 id="tile-seasons">${t.seasons}</h2>
        ${seasons.length === 0 ? html`<p class="note">${t.noSeasons}</p>` : this.#seasons(seasons)}
      </section>
      <section class="tile wide" aria-labelledby="tile-health">
        <h2 id="tile-health">${t.health}</h2>
        <dl class="pairs">
          <div><dt>${t.database}</dt><dd>${this.#health(checks.database)}</dd></div>
          <div><dt>${t.redis}</dt><dd>${this.#health(checks.redis)}</dd></div>
          <div>
            <dt>${t.projection}</dt>
            <dd>${t.projections(number(instance.projectionsReady), instance.projectionsLoading)}</dd>
          </div>
        </dl>
      </section>
    </div>`;
  }

  #health = (state: Overview['checks']['database']): TemplateResult =>
    html`<span class="dot ${state}">${t.states[state]}</span>`;

  #seasons = (seasons: Overview['seasons']): TemplateResult =>
    html`<ul class="lines">
      ${seasons.map(
        ({ leaderboard, title, season, label, endsAt }) => html`<li>
          <a href=${href(`boards/${leaderboard}`)}>${title}</a>
          <span class="soft">${label ?? t.season(season)}</span>
          <span class="end">${since(endsAt)}<small>${at(endsAt)}</small></span>
        </li>`,
      )}
    </ul>`;
}
customElements.define('overview-screen', OverviewScreen);
