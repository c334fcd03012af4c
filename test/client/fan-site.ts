import assert from 'node:assert/strict';
import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { Test } from 'tap';
import { Action } from '../../schemas/action.js';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { SeasonSpan } from '../../schemas/season.js';
import { User } from '../../schemas/user.js';
import { type Api, eventually, serviceApi, startApi } from '../api.js';
import { mint } from '../mint.js';
import { openBrowser, type SitePage, serveSite } from './browser.js';

/** Measurements of the browser; read them with reportOf(). */
const REPORT = `
  window.report = { violations: [], shift: 0, longFrames: [], animated: [] };
  document.addEventListener('securitypolicyviolation', ({ violatedDirective }) =>
    report.violations.push(violatedDirective));
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) report.shift += value;
  }).observe({ type: 'layout-shift', buffered: true });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) report.longFrames.push(duration);
  }).observe({ type: 'long-animation-frame', buffered: true });
  const note = (row, frames) =>
    report.animated.push({ ...frames, row: row.querySelector('.name span')?.textContent });
  const { animate } = Element.prototype;
  Element.prototype.animate = function (frames, options) {
    note(this, frames);
    return animate.call(this, frames, options);
  };
  window.KeyframeEffect = class extends KeyframeEffect {
    constructor(row, frames, options) {
      super(row, frames, options);
      note(row, frames);
    }
  };`;

export interface Report {
  /** Violated directives of the page's Content-Security-Policy. */
  readonly violations: string[];
  /** The sum of all layout shifts; a number that gets wider causes some 0.0001. */
  readonly shift: number;
  /** Durations of frames above 50 ms, in milliseconds. */
  readonly longFrames: number[];
  /** Every animation that a script has created: its keyframes, and the user of its row. */
  readonly animated: { transform?: string[]; opacity?: number[]; row?: string }[];
}

export const reportOf = (page: Page): Promise<Report> => page.evaluate('report');

/** A board without other players. */
export class Board {
  constructor(
    readonly id: string,
    private readonly server: Api,
    private readonly admin: Api,
  ) {}

  /** @returns the id of a new user who has scored */
  async join(displayName: string, points: number, metadata?: object): Promise<string> {
    const { id } = (await this.server.post('/v1/users', { displayName })).is(201, User);
    await this.score(id, points, metadata);
    return id;
  }

  /** When the last score of the board was reached. */
  async lastTime(api: Api): Promise<string> {
    const { items } = (await api.get(`/v1/leaderboards/${this.id}/entries?limit=100`)).is(200, Entries);
    return items.map(({ achievedAt }) => achievedAt).sort()[items.length - 1] ?? '';
  }

  /** Ends the season, some seconds ahead. @returns the end */
  async endSeason(): Promise<string> {
    const answer = await this.admin.post(`/v1/admin/leaderboards/${this.id}/seasons`, { reason: 'test' });
    const { endsAt } = answer.is(202, SeasonSpan);
    return endsAt ?? '';
  }

  async score(userId: string, points: number, metadata?: object): Promise<void> {
    const actionToken = mint(userId, { act: `play-${this.id}`, pts: [points, points] });
    (await this.server.post('/v1/scores', { actionToken, metadata })).is(200, Receipt);
  }
}

/** The service, its game server, and a browser for pages of another origin. */
export async function startFanSite(t: Test) {
  const service = await startApi(t);
  const server = await serviceApi(service, 'server');
  const admin = await serviceApi(service, 'admin');
  const browser = await openBrowser(t);
  let boards = 0;
  /** Opens a page; closed with the test. */
  const open = async (t: Test, address: string, options: BrowserContextOptions): Promise<Page> => {
    const context = await browser.newContext(options);
    t.teardown(() => context.close());
    await context.addInitScript(REPORT);
    const page = await context.newPage();
    await page.goto(address);
    return page;
  };
  return {
    ...service,
    open,
    /** @param more rules of the leaderboard */
    newBoard: async (title: string, more: object = {}): Promise<Board> => {
      const id = `board-${++boards}`;
      const rules = { title, sort: 'desc', operator: 'increment', ...more };
      (await admin.put(`/v1/admin/leaderboards/${id}`, rules)).is(200, Leaderboard);
      const points = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };
      const publicMetadata = ['car'];
      const action = {
        title,
        points,
        leaderboards: [id],
        issuer: 'server',
        minDurationMs: 0,
        publicMetadata,
      };
      (await admin.put(`/v1/admin/actions/play-${id}`, action)).is(200, Action);
      return new Board(id, server, admin);
    },
    /** Opens a page of another origin with this content; closed with the test. */
    visit: async (
      t: Test,
      body: string,
      { headers, attributes = 'lang="en"', ...options }: BrowserContextOptions & Visit = {},
    ): Promise<Page> => {
      const script = `<script src="${service.url}/widget.js"></script>`;
      const head = `<meta name="viewport" content="width=device-width"><title>Fans</title>${script}`;
      const html = `<!doctype html><html ${attributes}><head>${head}</head><body><main><h1>Fans</h1>${body}</main></body></html>`;
      const origin = await serveSite(t, { '/': { html, ...(headers && { headers }) } });
      return open(t, origin, options);
    },
  };
}

interface Visit extends Pick<SitePage, 'headers'> {
  /** Attributes of the page's root element. */
  readonly attributes?: string;
}

/** A ceiling for steps that take a moment on an idle machine. */
export const CEILING = { timeout: 20_000 };

export const rows = (page: Page): Locator => page.locator('live-leaderboard tbody .entry');
export const names = (page: Page): Promise<string[]> => rows(page).locator('.name > span').allTextContents();
export const scores = (page: Page): Promise<string[]> => rows(page).locator('.score').allTextContents();
export const state = (page: Page): Locator => page.locator('live-leaderboard .state');

/** Waits until these are the names on the board, from the top. */
export async function shows(page: Page, expected: string[]): Promise<void> {
  await eventually(async () => assert.deepEqual(await names(page), expected), CEILING.timeout);
}

/** Waits until the browser has computed which rows are visible. */
export const TWO_FRAMES = 'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))';

export const element = (board: Board, more = '') =>
  `<live-leaderboard board="${board.id}" ${more}></live-leaderboard>`;
