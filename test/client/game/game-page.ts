import assert from 'node:assert/strict';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { Test } from 'tap';
import { Action } from '../../../schemas/action.js';
import type { AppConfig } from '../../../src/config.js';
import { serviceApi, startApi } from '../../api.js';

/**
 * The service, without the minimum duration of `finish-level`: the clock of these pages runs faster than the service's.
 */
export async function startGame(t: Test, overrides: Partial<AppConfig> = {}) {
  const service = await startApi(t, overrides);
  const admin = await serviceApi(service, 'admin');
  const level = { title: 'Finish a level', points: { min: 1, max: 100 }, leaderboards: ['global'] };
  const quick = { ...level, issuer: 'player', minDurationMs: 0 };
  (await admin.put('/v1/admin/actions/finish-level', quick)).is(200, Action);
  return service;
}

/** A ceiling that even the slowest machine does not reach. */
export const CEILING_MS = 60_000;

/** The longest frames that the game accepts: a round has 60 of them. */
const FRAME_MS = 250;

/**
 * A screen that shows ten frames a second. Without a graphics card sixty of them keep a processor busy all the time, and the
 * game is played the same at any rate.
 */
const SLOW_SCREEN = `
  window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 100);
  window.cancelAnimationFrame = clearTimeout;`;

export interface GameOptions extends BrowserContextOptions {
  /** Appended to the origin, like `?obs`. */
  readonly query?: string;
  /** Whether the page uses the real clock: no fast rounds. */
  readonly realTime?: boolean;
}

/** A player with their own browser. Errors of the page fail the test. */
export class GamePage {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly url: string;
  /** Errors of the page: exceptions and violations of the policy. */
  readonly errors: string[] = [];
  readonly status: Locator;
  readonly countdown: Locator;
  readonly stage: Locator;
  readonly field: Locator;
  readonly name: Locator;

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.context = context;
    this.page = page;
    this.url = url;
    this.status = page.locator('#status');
    this.countdown = page.locator('#countdown');
    this.stage = page.locator('#stage');
    this.field = page.locator('#field');
    this.name = page.locator('#name');
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('console', (message) => {
      if (/Content Security Policy|Refused to/.test(message.text())) this.errors.push(message.text());
    });
  }

  static async open(
    t: Test,
    browser: Browser,
    url: string,
    { query = '?seed=3', realTime = false, ...options }: GameOptions = {},
  ): Promise<GamePage> {
    const context = await browser.newContext({
      viewport: { width: 800, height: 600 },
      reducedMotion: 'reduce',
      ...options,
    });
    context.setDefaultTimeout(CEILING_MS);
    t.teardown(() => context.close());
    const page = await context.newPage();
    const game = new GamePage(context, page, `${url}/${query}`);
    t.teardown(() => assert.deepEqual(game.errors, []));
    if (!realTime) {
      await page.clock.install();
      await page.addInitScript(SLOW_SCREEN);
    }
    await page.goto(game.url);
    return game;
  }

  /** Waits until the page shows this text. */
  async says(what: RegExp): Promise<void> {
    await this.status
      .filter({ hasText: what })
      .waitFor()
      .catch(async () => assert.match((await this.status.textContent()) ?? '', what));
  }

  /** Waits until the board is in this state: `open`, `reconnecting`. */
  async board(state: string): Promise<void> {
    await this.page.locator(`live-leaderboard [data-state=${state}]`).waitFor();
  }

  row(name: string): Locator {
    return this.page.locator('live-leaderboard').getByRole('row').filter({ hasText: name }).first();
  }

  /** Runs frames as long as on a slow machine, as fast as possible. */
  async pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += FRAME_MS)
      await this.page.clock.fastForward(FRAME_MS);
  }

  /** Page coordinates of a point on the field, given from 0 to 1 across and down. */
  async at(across: number, down: number): Promise<{ x: number; y: number }> {
    const box = await this.field.boundingBox();
    assert(box !== null);
    return { x: box.x + across * box.width, y: box.y + down * box.height };
  }

  /** Plays a round with the mouse in a few seconds. @returns its points */
  async round(): Promise<number> {
    await this.page.getByRole('button', { name: /Play/ }).click();
    assert.equal(await this.phase(), 'playing');
    await this.fly();
    return this.points();
  }

  /** Moves the mouse around the field until the round ends. */
  async fly(): Promise<void> {
    const [middle, corner] = [await this.at(0.5, 0.5), await this.at(0.86, 0.86)];
    const [wide, high] = [corner.x - middle.x, corner.y - middle.y];
    for (let turn = 0; (await this.phase()) === 'playing'; turn++) {
      await this.page.mouse.move(
        middle.x + wide * Math.cos(turn * 0.9),
        middle.y + high * Math.sin(turn * 0.7),
      );
      await this.pass(2 * FRAME_MS);
    }
  }

  async phase(): Promise<string | null> {
    return this.stage.getAttribute('data-phase');
  }

  /** The points of the finished round. */
  async points(): Promise<number> {
    const [, points] =
      /^(\d+) points?$/.exec((await this.page.locator('#headline').textContent()) ?? '') ?? [];
    return Number(points);
  }

  userId(): Promise<string | null> {
    return this.page.locator('live-leaderboard').getAttribute('user');
  }
}
