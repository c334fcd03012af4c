import { html, LitElement, nothing, type PropertyValues, unsafeCSS } from 'lit';
import { keyed } from 'lit/directives/keyed.js';
import type { LiveLeaderboardElement } from '../../widget.d.ts';
import { type Board, type LiveView, NOTHING_YET } from '../live/subscription.js';
import { Announcer } from './announcer.js';
import { durationIn, untilNext } from './countdown.js';
import { Counting } from './counting.js';
import { Earlier } from './earlier.js';
import { type Watched, watch } from './feed.js';
import { Glide } from './glide.js';
import { type Formats, formatsIn, languageOf } from './language.js';
import type { Template, Texts } from './languages.js';
import sheet from './live-leaderboard.css';
import { nameOf, titleOf } from './names.js';
import { type Look, line, placeholders, type Ranks, type Row, rowOf, rowsOf, shownRankOf } from './rows.js';
import { instantOf } from './since.js';
import { fill, textsIn, textsOf } from './texts.js';

/** By default the service is the origin of this script. */
const script = document.currentScript;
const ORIGIN = new URL(script instanceof HTMLScriptElement && script.src ? script.src : location.href).origin;
const DEFAULT_LIMIT = 10;
/** After this long without an answer the element says so, in milliseconds. */
const PATIENCE_MS = 8_000;
/** An element is narrow below this width, in the size of its letters. */
const NARROW_EM = 36;
/** How long the winners of a season are shown, in milliseconds. */
const CELEBRATION_MS = 20_000;

/**
 * A live leaderboard: `<live-leaderboard src="https://scores.example" board="global">`.
 * Its attributes, properties, parts and events are described in docs/widget.md.
 *
 * @fires leaderboard-change with `{ board, standing }`, when either has changed
 * @fires leaderboard-state with `{ state, error }`, when the connection has changed
 */
export class LiveLeaderboard extends LitElement implements LiveLeaderboardElement {
  static override styles = unsafeCSS(sheet);
  static override properties = {
    src: {},
    board: {},
    limit: { type: Number },
    user: {},
    heading: {},
    ranks: {},
    column: {},
    since: {},
    /** The standard attribute, declared so that a new language is shown at once. */
    lang: { reflect: true, useDefault: true },
    texts: { converter: textsOf },
    view: { state: true },
    isOverdue: { state: true },
    ended: { state: true },
    isNarrow: { state: true },
    boardTitle: { state: true },
    ownName: { state: true },
  };

  declare src: string;
  declare board: string;
  declare limit: number;
  declare user: string;
  declare heading: string;
  declare ranks: Ranks;
  declare column: string;
  declare since: string;
  declare texts: Partial<Texts>;
  declare private view: LiveView;
  declare private isOverdue: boolean;
  /** The last board of a season whose winners are shown. */
  declare private ended: Board | null;
  declare private isNarrow: boolean;
  declare private boardTitle: string;
  declare private ownName: string;

  #watched: Watched | null = null;
  #unwatch = () => {};
  #titleAskedFor = '';
  #nameAskedFor = '';
  #patience: ReturnType<typeof setTimeout> | undefined;
  #celebration: ReturnType<typeof setTimeout> | undefined;
  #countdown: ReturnType<typeof setTimeout> | undefined;
  #formats: Formats = formatsIn('en', false);
  readonly #width = new ResizeObserver(([change]) => {
    const surface = this.renderRoot.querySelector('.board');
    if (!change || !surface) return;
    this.isNarrow =
      change.contentRect.width < NARROW_EM * Number.parseFloat(getComputedStyle(surface).fontSize);
  });
  readonly #glide = new Glide();
  readonly #counting = new Counting();
  readonly #earlier = new Earlier(() => this.requestUpdate());
  readonly #announcer = new Announcer((text) => {
    this.renderRoot.querySelector('[role=status]')?.replaceChildren(text);
  });

  constructor() {
    super();
    this.src = ORIGIN;
    this.board = 'global';
    this.limit = DEFAULT_LIMIT;
    this.user = '';
    this.heading = '';
    this.ranks = 'unique';
    this.column = '';
    this.since = '';
    this.lang = '';
    this.texts = {};
    this.view = NOTHING_YET;
    this.isOverdue = false;
    this.ended = null;
    this.isNarrow = false;
    this.boardTitle = '';
    this.ownName = '';
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#width.observe(this);
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    queueMicrotask(() => {
      // An element that is moved within its page is disconnected and connected again at once.
      if (this.isConnected) return;
      this.#unwatch();
      this.#announcer.reset();
      this.#width.disconnect();
      this.#beOnTime();
      this.#celebrate(null);
      clearTimeout(this.#countdown);
      this.#watched = null;
    });
  }

  protected override willUpdate(): void {
    this.#formats = formatsIn(languageOf(this), this.isNarrow, this.#shown?.unit);
    if (!this.isConnected) return;
    this.#watch();
    this.#compare();
  }

  /** Watches the stream that the attributes describe. The old content stays until there is new content, if it is of the same board. */
  #watch(): void {
    const wanted = this.#wanted();
    const before = this.#watched;
    const sameBoard = before?.src === wanted.src && before.board === wanted.board;
    const asked = [wanted.src, wanted.board, this.#formats.language].join(' ');
    if (!sameBoard) this.#titleAskedFor = '';
    if (this.#titleAskedFor !== asked) void this.#fetchTitle(wanted, asked);
    if (sameBoard && before.limit === wanted.limit && before.user === wanted.user) return;
    this.#watched = wanted;
    if (!sameBoard) {
      this.view = NOTHING_YET;
      this.boardTitle = '';
      this.#glide.reset();
      this.#announcer.reset();
      this.#beOnTime();
      this.#celebrate(null);
    }
    if (before?.user !== wanted.user) this.ownName = '';
    this.#unwatch();
    this.#unwatch = watch(wanted, (view) => this.#show(view, wanted));
  }

  /** Finds out where the shown entries stood at the time of `since`. Of winners that is known, or stays unknown. */
  #compare(): void {
    const { board } = this.view;
    if (!this.since || !board || this.ended) return;
    const { src, board: id, user } = this.#wanted();
    const past = `?season=${board.season}&asOf=${encodeURIComponent(instantOf(this.since))}`;
    // The standing of the user comes after the first board.
    const users = [user, ...board.items.map(({ userId }) => userId)];
    void this.#earlier.compare(src, id, past, users.filter(Boolean));
  }

  #wanted(): Watched {
    const limit = Number.isInteger(this.limit) ? Math.min(Math.max(this.limit, 1), 100) : DEFAULT_LIMIT;
    return { src: this.src || ORIGIN, board: this.board || 'global', limit, user: this.user || '' };
  }

  #show(view: LiveView, wanted: Watched): void {
    const { src, board: id, user } = wanted;
    const { board, standing, season, ended } = this.view;
    const kept = standing?.userId === user ? standing : null;
    this.view = { ...view, board: view.board ?? board, standing: view.standing ?? kept };
    // The event of a season comes before its first board, which comes alone after a time without a connection.
    if (view.season !== season && view.season && board && board.season < view.season.season)
      this.#celebrate(board);
    else if (board && view.ended !== ended && view.ended?.season !== this.ended?.season)
      this.#celebrate(view.ended);
    if (this.view.board || view.error || view.state === 'paused') this.#beOnTime();
    else this.#patience ??= setTimeout(() => (this.isOverdue = true), PATIENCE_MS);
    const own = view.board?.items.find(({ userId }) => userId === user);
    this.ownName = own?.displayName ?? this.ownName;
    const asked = `${src} ${id} ${user}`;
    if (this.ownName !== '' || this.#ownRow() === null || this.#nameAskedFor === asked) return;
    this.#nameAskedFor = asked;
    void this.#fetchName(wanted);
  }

  /** Shows the winners of a season for a while, unless there are none. */
  #celebrate(ended: Board | null): void {
    clearTimeout(this.#celebration);
    this.ended = ended?.total ? ended : null;
    if (this.ended) this.#celebration = setTimeout(() => (this.ended = null), CELEBRATION_MS);
  }

  /** Nothing is waited for any more, or is waited for anew. */
  #beOnTime(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.isOverdue = false;
  }

  /** Titles and names are requested once; if that fails the element works without them. */
  async #fetchTitle({ src, board }: Watched, asked: string): Promise<void> {
    this.#titleAskedFor = asked;
    const title = await titleOf(src, board, this.#formats.language).catch(() => '');
    if (this.#titleAskedFor === asked) this.boardTitle = title;
  }

  async #fetchName({ src, board, user }: Watched): Promise<void> {
    const name = await nameOf(src, board, user).catch(() => '');
    const now = this.#watched;
    if (name && now?.src === src && now.board === board && now.user === user) this.ownName = name;
  }

  /** What is shown: the board, or the winners of the season before. */
  get #shown(): Board | null {
    const { final, board } = this.view;
    if (this.ended === null) return board;
    const isFinal = final?.season === this.ended.season && final.items.length >= this.ended.items.length;
    return isFinal ? { ...this.ended, items: final.items } : this.ended;
  }

  #top(): readonly Row[] {
    return rowsOf(this.#shown?.items.slice(0, this.#wanted().limit) ?? [], this.#ranks);
  }

  /** The user's row, if it is not among the top rows. */
  #ownRow(): Row | null {
    const { board, standing } = this.view;
    if (!board || this.ended || !standing || standing.rank === null || standing.score === null) return null;
    const { userId, rank, score } = standing;
    if (this.#top().some((entry) => entry.userId === userId)) return null;
    const shownRank = shownRankOf(standing, this.#ranks);
    return {
      rank,
      sharedRank: standing.sharedRank ?? rank,
      shownRank,
      userId,
      displayName: this.ownName,
      score,
    };
  }

  /** Anything else that a page has set counts as the default. */
  get #ranks(): Ranks {
    return this.ranks === 'shared' || this.ranks === 'dense' ? this.ranks : 'unique';
  }

  get #texts(): Texts {
    return textsIn(this.#formats.language, this.texts);
  }

  #fill(template: Template, values: Readonly<Record<string, string>>, count?: number): string {
    return fill(template, values, this.#formats.language, count);
  }

  #totalText(count: number): string {
    const { total } = this.#texts;
    const formatted = this.#formats.number(count);
    return typeof total === 'function'
      ? total(count, formatted)
      : this.#fill(total, { count: formatted }, count);
  }

  protected override render() {
    const { error } = this.view;
    const board = this.#shown;
    const { limit, user, board: id } = this.#wanted();
    const texts = this.#texts;
    const column = this.column || '';
    const look: Look = {
      formats: this.#formats,
      user,
      texts,
      column,
      movementOf: (row) => (this.since ? this.#earlier.movementOf(row, this.#ranks) : undefined),
    };
    const own = error ? null : this.#ownRow();
    const state = error ? 'closed' : board && this.view.state === 'connecting' ? 'open' : this.view.state;
    const label = this.ended ? texts.finalStandings : texts[STATE_TEXT[state]];
    const total = board?.total && !error ? this.#totalText(board.total) : '';
    return html`<div class="board ${column === '' ? '' : 'wide'} ${this.since ? 'moves' : ''}" part="board">
      <table role="table" aria-labelledby="title" aria-busy=${!board && !error}>
        <caption part="header">
          <span id="title" class="title" part="title" dir="auto">${this.heading || this.boardTitle || id}</span>
          ${keyed(state, html`<span class="state" part="state" data-state=${state}><span dir="auto">${label}</span></span>`)}
        </caption>
        <thead role="rowgroup" part="head">
          <tr role="row">
            <th role="columnheader" scope="col" class="rank">${texts.rank}</th>
            <th role="columnheader" scope="col" class="name">${texts.player}</th>
            ${
              column === ''
                ? nothing
                : html`<th role="columnheader" scope="col" class="column"><slot name="column">${column}</slot></th>`
            }
            <th role="columnheader" scope="col" class="score">${texts.score}</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${
            error
              ? line(
                  'message',
                  html`<span dir="auto">${error.code === 'not-found' ? texts.unknownBoard : texts.failed}</span>`,
                  column,
                )
              : !board
                ? this.isOverdue
                  ? line('message', html`<span dir="auto">${texts.unreachable}</span>`, column)
                  : placeholders(limit, column)
                : board.total === 0
                  ? line('message', html`<span dir="auto">${texts.empty}</span>`, column)
                  : this.#top().map((row) => rowOf(row, look))
          }
        </tbody>
        <tfoot role="rowgroup" class="${own ? 'sticky' : ''} ${user && !own ? 'roomy' : ''}">
          ${own ? rowOf(own, look) : nothing}
          ${line('total', html`<span dir="auto">${total}</span><span class="ends" part="ends" dir="auto"></span>`, column)}
        </tfoot>
      </table>
      <p class="said" role="status" aria-live="polite"></p>
    </div>`;
  }

  protected override updated(changed: PropertyValues): void {
    const { limit } = this.#wanted();
    this.renderRoot.querySelector<HTMLElement>('.board')?.style.setProperty('--_places', String(limit));
    const top = this.view.error ? [] : this.#top();
    const own = this.#ownRow();
    const rows = [...this.renderRoot.querySelectorAll<HTMLElement>('.entry')];
    const counted = rows.flatMap((row, place) => {
      const cell = row.querySelector<HTMLElement>('.score bdi');
      const entry = top[place] ?? own;
      // The row at the foot is not the row at the top: its score is not animated from there.
      const key = top[place]?.userId ?? 'own';
      return cell && entry ? [{ key, score: entry.score, row, cell }] : [];
    });
    this.#counting.show(counted, this.#formats.score);
    this.#glide.arrange(
      rows.slice(0, top.length),
      top.map(({ userId }) => userId),
    );
    this.#countDown();
    const before: LiveView | undefined = changed.get('view');
    if (before !== undefined) this.#announce(before);
  }

  /** Writes how long the season still is, by the time of the service. Rendering all rows once a second would cost more. */
  #countDown(): void {
    clearTimeout(this.#countdown);
    const { board, timeOffset, error } = this.view;
    const endsAt = Date.parse(board?.seasonEndsAt ?? '');
    const left = Math.max(0, endsAt - (performance.now() + (timeOffset ?? 0)));
    const isOn = left >= 0 && !error;
    const time = isOn ? durationIn(this.#formats.language, left) : '';
    const { endsIn, finalStandings } = this.#texts;
    const text = !isOn ? '' : left > 0 ? this.#fill(endsIn, { time }) : finalStandings;
    this.renderRoot.querySelector('.ends')?.replaceChildren(text);
    if (left > 0 && isOn && this.isConnected)
      this.#countdown = setTimeout(() => this.#countDown(), untilNext(left));
  }

  #announce(before: LiveView): void {
    const { board, standing, state, error } = this.view;
    const dispatch = (type: string, detail: object) =>
      this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
    if (state !== before.state) dispatch('leaderboard-state', { state, error });
    if (board !== before.board || standing !== before.standing)
      dispatch('leaderboard-change', { board, standing });
    const { leads, ownRank, won } = this.#texts;
    const [first] = board?.items ?? [];
    const [winner] = this.ended?.items ?? [];
    const rank = standing && shownRankOf(standing, this.#ranks);
    const { total = 0 } = standing ?? {};
    const leader = (name: string) =>
      typeof leads === 'function' ? leads(name) : this.#fill(leads, { name });
    const place = (rank: string, total: string) =>
      typeof ownRank === 'function' ? ownRank(rank, total) : this.#fill(ownRank, { rank, total });
    const { number } = this.#formats;
    this.#announcer.note([
      ...(board
        ? [
            {
              about: 'season',
              key: board.season,
              text: winner ? this.#fill(won, { name: winner.displayName }) : '',
            },
          ]
        : []),
      ...(first ? [{ about: 'leader', key: first.userId, text: leader(first.displayName) }] : []),
      ...(rank === null ? [] : [{ about: 'own rank', key: rank, text: place(number(rank), number(total)) }]),
    ]);
  }
}

const STATE_TEXT = {
  connecting: 'connecting',
  open: 'live',
  reconnecting: 'reconnecting',
  paused: 'connecting',
  closed: 'closed',
} as const;

if (!customElements.get('live-leaderboard')) customElements.define('live-leaderboard', LiveLeaderboard);
