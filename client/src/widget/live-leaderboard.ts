import { html, LitElement, type PropertyValues, unsafeCSS } from 'lit';
import { keyed } from 'lit/directives/keyed.js';
import type { LiveView } from '../live/subscription.js';
import { Announcer } from './announcer.js';
import { Counting } from './counting.js';
import { type Watched, watch } from './feed.js';
import { Glide } from './glide.js';
import sheet from './live-leaderboard.css';
import { nameOf, titleOf } from './names.js';
import { line, placeholders, type Row, rowOf } from './rows.js';
import { ENGLISH, type Texts } from './texts.js';

/** By default the service is the origin of this script. */
const script = document.currentScript;
const ORIGIN = new URL(script instanceof HTMLScriptElement && script.src ? script.src : location.href).origin;
const DEFAULT_LIMIT = 10;
const NOTHING_YET: LiveView = { state: 'connecting', board: null, standing: null, error: null };

/**
 * A live leaderboard: `<live-leaderboard src="https://scores.example" board="global">`.
 * Its attributes, properties, parts and events are described in docs/widget.md.
 *
 * @fires leaderboard-change with `{ board, standing }`, when either has changed
 * @fires leaderboard-state with `{ state, error }`, when the connection has changed
 */
export class LiveLeaderboard extends LitElement {
  static override styles = unsafeCSS(sheet);
  static override properties = {
    src: {},
    board: {},
    limit: { type: Number },
    user: {},
    heading: {},
    /** The standard attribute, declared so that a new language is shown at once. */
    lang: { reflect: true, useDefault: true },
    texts: { attribute: false },
    view: { state: true },
    boardTitle: { state: true },
    ownName: { state: true },
  };

  declare src: string;
  declare board: string;
  declare limit: number;
  declare user: string;
  declare heading: string;
  declare texts: Partial<Texts>;
  declare private view: LiveView;
  declare private boardTitle: string;
  declare private ownName: string;

  #watched: Watched | null = null;
  #unwatch = () => {};
  #nameAskedFor = '';
  #numbers = new Intl.NumberFormat();
  readonly #glide = new Glide();
  readonly #counting = new Counting();
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
    this.lang = '';
    this.texts = {};
    this.view = NOTHING_YET;
    this.boardTitle = '';
    this.ownName = '';
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    queueMicrotask(() => {
      // An element that is moved within its page is disconnected and connected again at once.
      if (this.isConnected) return;
      this.#unwatch();
      this.#announcer.reset();
      this.#watched = null;
    });
  }

  protected override willUpdate(): void {
    this.#numbers = numbersFor(this);
    if (this.isConnected) this.#watch();
  }

  /** Watches the stream that the attributes describe. The old content stays until there is new content, if it is of the same board. */
  #watch(): void {
    const wanted = this.#wanted();
    const before = this.#watched;
    const sameBoard = before?.src === wanted.src && before.board === wanted.board;
    if (sameBoard && before.limit === wanted.limit && before.user === wanted.user) return;
    this.#watched = wanted;
    if (!sameBoard) {
      this.view = NOTHING_YET;
      this.boardTitle = '';
      this.#glide.reset();
      this.#announcer.reset();
      void this.#fetchTitle(wanted);
    }
    if (before?.user !== wanted.user) this.ownName = '';
    this.#unwatch();
    this.#unwatch = watch(wanted, (view) => this.#show(view, wanted));
  }

  #wanted(): Watched {
    const limit = Number.isInteger(this.limit) ? Math.min(Math.max(this.limit, 1), 100) : DEFAULT_LIMIT;
    return { src: this.src || ORIGIN, board: this.board || 'global', limit, user: this.user || '' };
  }

  #show(view: LiveView, wanted: Watched): void {
    const { src, board: id, user } = wanted;
    const { board, standing } = this.view;
    const kept = standing?.userId === user ? standing : null;
    this.view = { ...view, board: view.board ?? board, standing: view.standing ?? kept };
    const own = view.board?.items.find(({ userId }) => userId === user);
    this.ownName = own?.displayName ?? this.ownName;
    const asked = `${src} ${id} ${user}`;
    if (this.ownName !== '' || this.#ownRow() === null || this.#nameAskedFor === asked) return;
    this.#nameAskedFor = asked;
    void this.#fetchName(wanted);
  }

  /** Names are requested once; if that fails the element works without them. */
  async #fetchTitle({ src, board }: Watched): Promise<void> {
    const title = await titleOf(src, board).catch(() => '');
    if (this.#watched?.src === src && this.#watched.board === board) this.boardTitle = title;
  }

  async #fetchName({ src, board, user }: Watched): Promise<void> {
    const name = await nameOf(src, board, user).catch(() => '');
    const now = this.#watched;
    if (name && now?.src === src && now.board === board && now.user === user) this.ownName = name;
  }

  #top(): readonly Row[] {
    return this.view.board?.items.slice(0, this.#wanted().limit) ?? [];
  }

  /** The user's row, if it is not among the top rows. */
  #ownRow(): Row | null {
    const { board, standing } = this.view;
    if (!board || !standing || standing.rank === null || standing.score === null) return null;
    const { userId, rank, score } = standing;
    if (this.#top().some((entry) => entry.userId === userId)) return null;
    return { rank, userId, displayName: this.ownName, score };
  }

  get #texts(): Texts {
    return { ...ENGLISH, ...this.texts };
  }

  protected override render() {
    const { board, error } = this.view;
    const { limit, user, board: id } = this.#wanted();
    const texts = this.#texts;
    const look = { numbers: this.#numbers, user, you: texts.you };
    const own = error ? null : this.#ownRow();
    const state = error ? 'closed' : board && this.view.state === 'connecting' ? 'open' : this.view.state;
    return html`<div class="board" part="board">
      <table role="table" aria-labelledby="title" aria-busy=${!board && !error}>
        <caption part="header">
          <span id="title" class="title" part="title" dir="auto">${this.heading || this.boardTitle || id}</span>
          ${keyed(state, html`<span class="state" part="state" data-state=${state}>${texts[STATE_TEXT[state]]}</span>`)}
        </caption>
        <thead role="rowgroup" part="head">
          <tr role="row">
            <th role="columnheader" scope="col" class="rank">${texts.rank}</th>
            <th role="columnheader" scope="col" class="name">${texts.player}</th>
            <th role="columnheader" scope="col" class="score">${texts.score}</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${
            error
              ? line('message', error.code === 'not-found' ? texts.unknownBoard : texts.failed)
              : !board
                ? placeholders(limit)
                : board.total === 0
                  ? line('message', texts.empty)
                  : this.#top().map((row) => rowOf(row, look))
          }
        </tbody>
        <tfoot role="rowgroup" class=${own ? 'sticky' : ''}>
          ${
            own
              ? rowOf(own, look)
              : line(
                  'total',
                  board?.total && !error ? texts.total(board.total, this.#numbers.format(board.total)) : '',
                )
          }
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
      const cell = row.querySelector<HTMLElement>('.score');
      const entry = top[place] ?? own;
      // The row at the foot is not the row at the top: its score is not animated from there.
      const key = top[place]?.userId ?? 'own';
      return cell && entry ? [{ key, score: entry.score, row, cell }] : [];
    });
    this.#counting.show(counted, this.#numbers);
    this.#glide.arrange(
      rows.slice(0, top.length),
      top.map(({ userId }) => userId),
    );
    const before: LiveView | undefined = changed.get('view');
    if (before !== undefined) this.#announce(before);
  }

  #announce(before: LiveView): void {
    const { board, standing, state, error } = this.view;
    const dispatch = (type: string, detail: object) =>
      this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
    if (state !== before.state) dispatch('leaderboard-state', { state, error });
    if (board !== before.board || standing !== before.standing)
      dispatch('leaderboard-change', { board, standing });
    const texts = this.#texts;
    const [first] = board?.items ?? [];
    const { rank = null, total = 0 } = standing ?? {};
    const format = (number: number) => this.#numbers.format(number);
    this.#announcer.note([
      ...(first ? [{ about: 'leader', key: first.userId, text: texts.leads(first.displayName) }] : []),
      ...(rank === null
        ? []
        : [{ about: 'own rank', key: rank, text: texts.ownRank(format(rank), format(total)) }]),
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

/** Formats numbers in the language of the surrounding text. */
function numbersFor(element: Element): Intl.NumberFormat {
  const language = element.closest<HTMLElement>('[lang]')?.lang || undefined;
  try {
    return new Intl.NumberFormat(language);
  } catch {
    return new Intl.NumberFormat();
  }
}

if (!customElements.get('live-leaderboard')) customElements.define('live-leaderboard', LiveLeaderboard);

declare global {
  interface HTMLElementTagNameMap {
    'live-leaderboard': LiveLeaderboard;
  }
}
