import type pg from 'pg';
import type { Action } from '../../schemas/action.js';
import type { SeasonSpan } from '../../schemas/season.js';
import { type AdminAct, audit } from '../audit.js';
import { type BoardKey, parseBoardKey } from '../board-key.js';
import { announce, type Change } from '../changes/change.js';
import type { FeedState } from '../changes/change-feed.js';
import { newId } from '../ids.js';
import { addJob } from '../jobs/job.js';
import { PURGE } from '../jobs/purge.js';
import type { Sort } from '../leaderboard/entry.js';
import { type PublicKeys, type PublicKeysOfAll, publicKeysOf } from '../leaderboard/public-metadata.js';
import type { Limits } from '../ledger/limits.js';
import { type Queryable, transact } from '../postgres/database.js';
import { inTurn } from '../postgres/turns.js';
import { putAction, readAction, readActions, removeAction } from './action-rows.js';
import { checkAction } from './action-rules.js';
import { type DefinitionCache, definitionCache } from './definition-cache.js';
import {
  findRemoved,
  type LeaderboardDefinition,
  noSuchLeaderboard,
  readAllLeaderboards,
  readLeaderboard,
  readLeaderboards,
  readSort,
  removeLeaderboard,
  setFrozen,
} from './leaderboard-rows.js';
import {
  checkGrace,
  type LeaderboardRules,
  type PutLeaderboard,
  type PutOptions,
  putLeaderboard,
} from './put-leaderboard.js';

import { changeSeason, endSeason, type SeasonChange } from './season-acts.js';
import { checkUnit } from './unit-rules.js';

export type { LeaderboardDefinition } from './leaderboard-rows.js';

/**
 * Leaderboards and actions. Their definitions are read when they are first needed, and kept until they change: `follow` must
 * be told every announced change, also those of this instance, whose commit may have been answered too late to be known.
 */
export class Catalog {
  readonly #pool: pg.Pool;
  readonly #writer: string;
  readonly #feed: FeedState;
  readonly #tokenLifetime: number;
  readonly #leaderboards: DefinitionCache<LeaderboardDefinition>;
  readonly #actions: DefinitionCache<Action>;
  /** By the text of a board key. */
  readonly #pastSorts: DefinitionCache<Sort>;
  #allActions: Promise<Action[]> | null = null;
  /** Made of these actions. */
  #publicKeys: (PublicKeysOfAll & { readonly actions: Promise<Action[]> }) | null = null;
  readonly #removalListeners: ((leaderboardId: string) => void)[] = [];
  /** Leaderboards that were known, and may have been deleted while changes were missed; with their seasons. */
  readonly #unchecked = new Map<string, number>();

  /**
   * @param writer names this instance in what it announces to the others
   * @param tokenLifetime of action tokens, in seconds
   * @param feed says whether `follow` was told every change; while it was not, definitions are read at each use
   */
  constructor(
    pool: pg.Pool,
    writer: string,
    tokenLifetime = Number.POSITIVE_INFINITY,
    feed: FeedState = { isCurrent: true },
  ) {
    this.#pool = pool;
    this.#writer = writer;
    this.#feed = feed;
    this.#tokenLifetime = tokenLifetime;
    this.#leaderboards = definitionCache(
      (id) => readLeaderboard(pool, id),
      (old, definition) => {
        if (old.season !== definition?.season) this.#doubt(old);
      },
    );
    this.#actions = definitionCache((id) => readAction(pool, id));
    this.#pastSorts = definitionCache(async (text) => {
      const board = parseBoardKey(text);
      return board && readSort(pool, board);
    });
  }

  /** @throws Problem `not-found` */
  async leaderboard(id: string): Promise<LeaderboardDefinition> {
    const definition = await this.#definition(this.#leaderboards, id);
    if (definition === null) throw noSuchLeaderboard(id);
    return definition;
  }

  /** The same, if it is known without a query. */
  knownLeaderboard(id: string): LeaderboardDefinition | undefined {
    return this.#feed.isCurrent ? (this.#leaderboards.get(id)?.definition ?? undefined) : undefined;
  }

  /**
   * How a season of a leaderboard sorts.
   * @throws Problem `not-found`
   */
  async sortOf(board: BoardKey): Promise<Sort> {
    const { season, sort } = await this.leaderboard(board.leaderboard);
    if (board.season === season) return sort;
    // The rules of the next season can still be changed, but not those of one that is over.
    if (board.season > season) return (await readSort(this.#pool, board)) ?? sort;
    return (await this.#pastSorts.fetch(board.text))?.definition ?? sort;
  }

  /** Leaderboards that are not hidden, by id, behind the given one. */
  leaderboards(limit: number, after: string | null): Promise<LeaderboardDefinition[]> {
    return readLeaderboards(this.#pool, limit, after);
  }

  /** The same, also those that are hidden. */
  allLeaderboards(limit: number, after: string | null): Promise<LeaderboardDefinition[]> {
    return readAllLeaderboards(this.#pool, limit, after);
  }

  /** An action, or null if there is none: at once, if it is known without a query. */
  action(id: string): Action | null | Promise<Action | null> {
    return this.#definition(this.#actions, id);
  }

  /** All actions, by id. */
  actions(): Promise<Action[]> {
    return this.#settled(this.#readingActions());
  }

  /** The public keys of metadata, if an action that feeds this leaderboard has some: then its entries show them. */
  async publicKeys(leaderboard: string): Promise<PublicKeys | null> {
    const actions = this.#readingActions();
    const known =
      this.#publicKeys?.actions === actions
        ? this.#publicKeys
        : { ...publicKeysOf(await this.#settled(actions)), actions };
    if (this.#allActions === actions) this.#publicKeys = known;
    return known.leaderboards.has(leaderboard) ? known.keys : null;
  }

  /** The same, if it is known without a query; else undefined. */
  knownPublicKeys(leaderboard: string): PublicKeys | null | undefined {
    const known = this.#feed.isCurrent ? this.#publicKeys : null;
    if (known === null || known.actions !== this.#allActions) return undefined;
    return known.leaderboards.has(leaderboard) ? known.keys : null;
  }

  #readingActions(): Promise<Action[]> {
    const reading = (this.#feed.isCurrent ? this.#allActions : null) ?? readActions(this.#pool);
    this.#allActions = reading;
    return reading;
  }

  /** What could not be read is not kept. */
  async #settled(reading: Promise<Action[]>): Promise<Action[]> {
    try {
      return await reading;
    } catch (error) {
      if (this.#allActions === reading) this.#allActions = null;
      throw error;
    }
  }

  /** What bounds an action, or null. */
  async limits(actionId: string): Promise<Limits | null> {
    const action = await this.action(actionId);
    if (action === null) return null;
    const { cooldownMs = null, dailyLimit = null, maxRobustZ, leaderboards } = action;
    const known = await Promise.all(leaderboards.map((id) => this.#definition(this.#leaderboards, id)));
    const boards = known.flatMap((board) => {
      const { id = '', maxPointsPerMinute } = board ?? {};
      return maxPointsPerMinute === undefined ? [] : [{ id, maxPointsPerMinute }];
    });
    return cooldownMs === null && dailyLimit === null && maxRobustZ === undefined && boards.length === 0
      ? null
      : { cooldownMs, dailyLimit, ...(maxRobustZ !== undefined && { maxRobustZ }), boards };
  }

  /** Called with the id of a leaderboard that was deleted. */
  onRemoved(listener: (leaderboardId: string) => void): void {
    this.#removalListeners.push(listener);
  }

  /** Forgets what an announced change has made obsolete. */
  follow(change: Change): void {
    if (change.type === 'action') {
      this.#actions.delete(change.action);
      this.#allActions = null;
    }
    if (change.type === 'leaderboard') {
      this.#leaderboards.delete(change.leaderboard);
      if (change.removed) this.#removed(change.leaderboard);
    }
  }

  /** Changes may have been missed: everything is read again. `checkRemovals` must follow. */
  forgetAll(): void {
    for (const { definition } of this.#leaderboards.values())
      if (definition !== null) this.#doubt(definition);
    this.#leaderboards.clear();
    this.#actions.clear();
    this.#allActions = null;
  }

  /** Finds the leaderboards that were deleted while changes were missed. To be called again if it fails. */
  async checkRemovals(): Promise<void> {
    const seasons = new Map(this.#unchecked);
    this.#unchecked.clear();
    try {
      for (const id of await findRemoved(this.#pool, seasons)) this.#removed(id);
    } catch (error) {
      for (const [id, season] of seasons) this.#doubt({ id, season });
      throw error;
    }
  }

  /** The leaderboard may have been deleted, and its deletion not been heard. */
  #doubt({ id, season }: Pick<LeaderboardDefinition, 'id' | 'season'>): void {
    this.#unchecked.set(id, Math.min(season, this.#unchecked.get(id) ?? season));
  }

  #definition<T>(cache: DefinitionCache<T>, id: string): T | null | Promise<T | null> {
    const { isCurrent } = this.#feed;
    const known = isCurrent ? cache.get(id) : undefined;
    if (known !== undefined) return known.definition;
    const reading = cache.fetch(id, { forceRefresh: !isCurrent });
    return reading.then((read) => read?.definition ?? null);
  }

  #removed(leaderboardId: string): void {
    for (const listener of this.#removalListeners) listener(leaderboardId);
  }

  /**
   * Makes a leaderboard, or gives it other rules, some of them with its next season.
   * @throws Problem `validation-failed`, `schedule-invalid`, `revision-changed`; `leaderboard-in-use` if it has entries and would
   * sort or count otherwise, and no season is to come; `service-unavailable` if its scores do not pause in time: to be tried again
   */
  async putLeaderboard(
    rules: LeaderboardRules,
    act: AdminAct,
    options: PutOptions = {},
  ): Promise<PutLeaderboard> {
    checkGrace(rules, this.#tokenLifetime);
    if (rules.unit !== undefined) checkUnit(rules.unit);
    const { id } = rules;
    return await this.#change(
      leaderboardChange(id, false),
      async (client) => {
        const put = await putLeaderboard(client, rules, options);
        const details = put.schedule === undefined ? rules : { ...rules, schedule: put.schedule };
        if (options.dryRun !== true) await audit(client, act, 'put-leaderboard', id, details);
        return put;
      },
      () => options.dryRun !== true,
    );
  }

  /**
   * Makes a leaderboard take no scores, or take them again. Idempotent.
   * @throws Problem `not-found`, `service-unavailable`
   */
  async setFrozen(id: string, frozen: boolean, act: AdminAct): Promise<LeaderboardDefinition> {
    await this.#change(
      leaderboardChange(id, false),
      async (client) => {
        const isChange = await setFrozen(client, id, frozen);
        if (isChange) await audit(client, act, frozen ? 'freeze-leaderboard' : 'unfreeze-leaderboard', id);
        return isChange;
      },
      (isChange) => isChange,
    );
    return await this.leaderboard(id);
  }

  /**
   * Deletes a leaderboard, from all reads at once; its scores leave with the job `purge`.
   * @throws Problem `not-found`, `service-unavailable`; `leaderboard-in-use` while an action feeds it, or while it has
   * entries unless it is frozen
   */
  async deleteLeaderboard(id: string, act: AdminAct): Promise<void> {
    await this.#change(leaderboardChange(id, true), async (client) => {
      await removeLeaderboard(client, id);
      await audit(client, act, 'delete-leaderboard', id);
      await addJob(client, PURGE, {});
    });
  }

  /** Ends the season of a leaderboard that is in force; see `endSeason` for what it throws. */
  async endSeason(
    id: string,
    end: { readonly endsAt?: string; readonly label?: string },
    act: AdminAct,
  ): Promise<SeasonSpan> {
    return await this.#change(leaderboardChange(id, false), async (client) => {
      const span = await endSeason(client, id, end);
      await audit(client, act, 'end-season', id, span);
      return span;
    });
  }

  /** Gives a season of a leaderboard another end, or a name; see `changeSeason` for what it throws. */
  async changeSeason(id: string, season: number, change: SeasonChange, act: AdminAct): Promise<SeasonSpan> {
    return await this.#change(leaderboardChange(id, false), async (client) => {
      const span = await changeSeason(client, id, season, change);
      await audit(client, act, 'change-season', id, span);
      return span;
    });
  }

  /**
   * Makes or replaces an action.
   * @throws Problem `validation-failed` also if it feeds a leaderboard that does not exist
   */
  async putAction(action: Action, act: AdminAct): Promise<void> {
    checkAction(action, this.#tokenLifetime);
    await this.#change({ type: 'action', action: action.id }, async (client) => {
      await putAction(client, action);
      await audit(client, act, 'put-action', action.id, action);
    });
  }

  /** @throws Problem `not-found`; `action-in-use` while events of it are held for review */
  async deleteAction(id: string, act: AdminAct): Promise<void> {
    await this.#change({ type: 'action', action: id }, async (client) => {
      await removeAction(client, id);
      await audit(client, act, 'delete-action', id);
    });
  }

  /** Runs a change in a transaction, and announces it if what `work` returns says that it is one. */
  async #change<T>(
    change: DistributiveOmit<CatalogChange, 'id' | 'writer'>,
    work: (client: Queryable) => Promise<T>,
    isChange: (result: T) => boolean = () => true,
  ): Promise<T> {
    const announced: Change = { ...change, id: newId('chg'), writer: this.#writer };
    const key = change.type === 'action' ? `action ${change.action}` : `leaderboard ${change.leaderboard}`;
    const result = await inTurn(this.#pool, key, () =>
      transact(this.#pool, async (client) => {
        const result = await work(client);
        if (isChange(result)) await announce(client, announced);
        return result;
      }),
    );
    this.follow(announced);
    return result;
  }
}

const leaderboardChange = (leaderboard: string, removed: boolean) => ({
  type: 'leaderboard' as const,
  leaderboard,
  removed,
});

type CatalogChange = Extract<Change, { type: 'leaderboard' | 'action' }>;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
