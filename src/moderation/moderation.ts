import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { UserChange } from '../../schemas/admin-user.js';
import type { Act, AdminEvent, AuditEntry, ModeratedUser, VoidPreview } from '../../schemas/moderation.js';
import type { Bans } from '../access/bans.js';
import { displayName as storedName } from '../access/display-name.js';
import { HOLDS_EXTERNAL_ID } from '../access/users.js';
import { type AdminAct, audit } from '../audit.js';
import type { BoardKey } from '../board-key.js';
import { instant } from '../clock.js';
import { type Found, firstOf, type Position } from '../cursor.js';
import { invalid, Problem } from '../errors.js';
import { newId } from '../ids.js';
import type { Leaderboards } from '../leaderboard/leaderboards.js';
import { isOutOfRange } from '../ledger/batch-queue.js';
import { type Correction, correct } from '../ledger/correction.js';
import { boardsOf } from '../ledger/event-boards.js';
import { archivedUntil, isArchived } from '../ledger/old-events.js';
import { outOfRange } from '../ledger/refusals.js';
import { Backoff } from '../loop.js';
import { type Queryable, transact } from '../postgres/database.js';
import { brokenConstraint } from '../postgres/errors.js';
import { rfc3339 } from '../postgres/sql.js';
import { inTurn } from '../postgres/turns.js';
import { withoutNull } from '../postgres/without-null.js';
import { type Span, spanOf } from '../span.js';
import { toUuid, withIds } from '../stored-ids.js';
import { progressOf, type SpanFilter } from './acts.js';
import { type EventFilter, eventQuery, search } from './event-search.js';
import { beginMassVoid } from './mass-void.js';
import { previewVoid } from './preview.js';
import {
  amends,
  ban,
  giveName,
  type LockedUser,
  liftBan,
  lockUser,
  moderatedUser,
  noUser,
  setHidden,
  type UserAct,
} from './user-acts.js';

/** How often it is looked whether an act is over, in milliseconds. */
const FIRST_LOOK_MS = 20;
const LAST_LOOK_MS = 200;

/** How often a ban begins anew because its user comes back just then. */
const MAX_TRIES = 3;

/** How long an administrator's search looks for events before it shows those that it has, in milliseconds. */
const SEARCH_MS = 150;

const COLUMNS = `
  e.id AS "eventId", e.user_id AS "userId", e.action_id AS action, e.points, e.metadata,
       ${rfc3339('e.accepted_at')} AS "acceptedAt", ${rfc3339('e.achieved_at')} AS "achievedAt",
       e.imported_by AS "importId", e.status,
       (SELECT coalesce(json_agg(json_build_object('id', leaderboard_id, 'season', season) ORDER BY leaderboard_id), '[]')
        FROM (${boardsOf('e')}) b) AS leaderboards,
       e.token_id AS "tokenId", e.issued_by AS "issuedBy", e.signing_key AS "signingKey",
       e.held_because AS "heldBecause"`;

/** Who has the external id of an erased user now. */
const SUCCESSOR = `
SELECT id FROM users
WHERE external_key = (SELECT external_key FROM users WHERE id = $1 AND erased_at IS NOT NULL) AND ${HOLDS_EXTERNAL_ID}`;
/** $1 a leaderboard, $2 a season, $3 a user. */
const ENTRY = `
SELECT coalesce(s.score, s.withheld_score) AS score,
       EXISTS (SELECT FROM archived_standings a WHERE a.leaderboard_id = $1 AND a.season = $2 AND a.user_id = $3) AS "isArchived"
FROM scores s JOIN leaderboards l ON l.id = s.leaderboard_id AND s.season > l.removed_through
WHERE s.leaderboard_id = $1 AND s.season = $2 AND s.user_id = $3 AND coalesce(s.score, s.withheld_score) IS NOT NULL`;
/** Before all events. */
const EVER = '1970-01-01T00:00:00.000Z';

interface ModerationOptions {
  readonly pool: pg.Pool;
  /** Shows what is committed. */
  readonly leaderboards: Pick<Leaderboards, 'apply' | 'rename'>;
  readonly bans: Pick<Bans, 'refresh'>;
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
  readonly onError: (error: unknown) => void;
}

/** What administrators do about cheats. Each act is one transaction with its line in the audit. */
export class Moderation {
  readonly #options: ModerationOptions;

  constructor(options: ModerationOptions) {
    this.#options = options;
  }

  /** Events of a span of time behind a position, the newest first. */
  async events(
    filter: EventFilter,
    span: Span,
    limit: number,
    behind: Position | null,
  ): Promise<Found<AdminEvent>> {
    const query = eventQuery(filter, span);
    const found = await transact(this.#options.pool, (client) =>
      search<AdminEvent>(client, query, { columns: COLUMNS, behind, limit: limit + 1, ms: SEARCH_MS }),
    );
    const { items, rest } = firstOf(found, limit);
    return { items: items.map(adminEvent), rest };
  }

  /**
   * Lets a held event count. One that counts already stays as it is.
   * @throws Problem `not-found` if there is none, or it is voided; `event-archived`, `season-final`, `points-out-of-range`
   */
  release(eventId: string, act: AdminAct): Promise<AdminEvent> {
    return this.#judge(eventId, 'counted', 'release-event', act);
  }

  /**
   * Makes an event count no more, for good. One that is voided already stays as it is.
   * @throws Problem `not-found`, `event-archived`, `season-final`, `points-out-of-range`
   */
  void(eventId: string, act: AdminAct): Promise<AdminEvent> {
    return this.#judge(eventId, 'voided', 'void-event', act);
  }

  async #judge(
    eventId: string,
    to: 'counted' | 'voided',
    action: AuditEntry['action'],
    act: AdminAct,
  ): Promise<AdminEvent> {
    const { pool } = this.#options;
    const { userId } = await inTurn(pool, eventId, () => findEvent(pool, eventId));
    const judge = async (client: Queryable) => {
      const from = to === 'counted' ? (['held'] as const) : (['counted', 'held'] as const);
      const events = [{ id: eventId, userId }];
      const by = { id: newId('aud'), amend: amends(act) };
      const correction = await correct(client, events, from, to, this.#options.writer, by);
      for (const { was } of correction.events)
        await audit(client, act, action, eventId, { from: was, to }, by.id);
      const event = await findEvent(client, eventId);
      if (event.status !== to && (await isArchived(client, toUuid('evt', eventId)))) throw archived(eventId);
      if (event.status !== to)
        throw new Problem('not-found', `The event "${eventId}" is ${event.status}: it cannot be released.`);
      return { correction, result: event };
    };
    return await inTurn(pool, userId, () => this.correct(judge));
  }

  /**
   * Has all events of a user, an action or an issuer voided that were accepted in a time: by a job. If it fails, what it has
   * voided stays.
   * @returns the id of the act
   * @throws Problem `validation-failed`; `event-archived` if the time begins with months that are archived
   */
  async voidAll(filter: SpanFilter, act: AdminAct): Promise<string> {
    await this.#checkVoid(filter);
    return await transact(this.#options.pool, (client) => beginMassVoid(client, filter, act));
  }

  /** What that would do. @throws Problem as `voidAll` and its job */
  async previewVoid(filter: SpanFilter, act: AdminAct): Promise<VoidPreview> {
    await this.#checkVoid(filter);
    return await previewVoid(this.#options.pool, filter, act);
  }

  async #checkVoid(filter: SpanFilter): Promise<void> {
    if (filter.userId === undefined && filter.action === undefined && filter.issuer === undefined)
      throw invalid('/', 'must name a userId, an action or an issuer');
    spanOf(filter, null);
    const until = await archivedUntil(this.#options.pool);
    if (Date.parse(filter.from) < until)
      throw new Problem(
        'event-archived',
        `Events before ${instant(until)} are archived, and count for good: the time must begin then or later.`,
      );
  }

  /**
   * Has the entry of a user deleted: the events that it is made of are voided, by a job, on all boards that they count for.
   * @returns the id of the act
   * @throws Problem `not-found`; `event-archived` if some of it is of events that are archived
   */
  async deleteEntry({ leaderboard, season }: BoardKey, userId: string, act: AdminAct): Promise<string> {
    const { pool } = this.#options;
    return await inTurn(pool, userId, () =>
      transact(pool, async (client) => {
        const user = await lockUser(client, userId);
        const { rows } = await client.query<{ isArchived: boolean; score: number }>(ENTRY, [
          leaderboard,
          season,
          toUuid('usr', userId),
        ]);
        const [entry] = rows;
        if (entry === undefined)
          throw new Problem('not-found', `There is no entry of "${userId}" on "${leaderboard}".`);
        if (entry.isArchived)
          throw new Problem(
            'event-archived',
            'The entry is also made of events that are archived, which count for good.',
          );
        const filter = {
          userId,
          board: { leaderboard, season },
          from: EVER,
          // What is scored from now on makes a new entry.
          to: instant(user.now + 1),
        };
        const { score } = entry;
        return await beginMassVoid(client, filter, act, { userId, details: { leaderboard, season, score } });
      }),
    );
  }

  /** How far an act has come that takes its time. @throws Problem `not-found` */
  progress(id: string): Promise<Act> {
    return progressOf(this.#options.pool, id);
  }

  /**
   * The same, when it is over, or after so many milliseconds.
   * @throws Problem `not-found`, or the one that has ended it
   */
  async outcome(id: string, ms: number): Promise<Act> {
    const until = performance.now() + ms;
    for (const backoff = new Backoff(FIRST_LOOK_MS, LAST_LOOK_MS); ; await delay(backoff.next())) {
      const act = await this.progress(id);
      if (act.problem === 'points-out-of-range') throw outOfRange();
      if (act.problem === 'season-final') throw hasFinalSeasons();
      if (act.problem === 'act-undone') throw undoneMeanwhile(id);
      if (act.state !== 'running' || performance.now() > until) return act;
    }
  }

  /**
   * The user leaves all boards, but for final seasons unless these are amended, and may only read. One who was erased, and is back
   * under its external id, is banned as the user that it is now. A ban that is there already gets this end.
   * @param until as the API writes a time; without it, the ban goes on until it is lifted
   * @returns the user who is banned
   * @throws Problem `not-found`, `validation-failed` if the end is not in the future
   */
  async ban(userId: string, act: AdminAct, until?: string | null): Promise<ModeratedUser> {
    const { pool, writer } = this.#options;
    const ends = until ? Date.parse(until) : null;
    const banned = (id: string, details = {}) =>
      this.actOn(id, (client, user) => ban(client, user, ends, { act, writer }, details));
    for (let tries = 1; ; tries++) {
      const { rows } = await inTurn(pool, userId, () =>
        pool.query<{ id: string }>(SUCCESSOR, [toUuid('usr', userId)]),
      );
      const [successor] = withIds(rows, { id: 'usr' });
      try {
        if (successor === undefined) return await banned(userId);
        return await banned(successor.id, { erasedUserId: userId });
      } catch (error) {
        // It was erased, or has come back, since it was looked up.
        if (brokenConstraint(error) !== 'users_external_key') throw error;
        if (tries === MAX_TRIES)
          throw new Problem('service-unavailable', 'The user is being changed. Try again.', { cause: error });
      }
    }
  }

  /** The user is back on its boards. If it was erased, its external id and username are free. @throws Problem `not-found` */
  unban(userId: string, act: AdminAct): Promise<ModeratedUser> {
    const { writer } = this.#options;
    return this.actOn(userId, async (client, user) => {
      const done = await liftBan(client, user, { act, writer });
      if (done === null && user.isErased) throw noUser(userId);
      return done;
    });
  }

  /**
   * Names a user or gives it back its own name, and takes it off all boards or brings it back: what is absent stays.
   * @throws Problem `not-found`, `validation-failed`
   */
  change(
    userId: string,
    { displayName, nameLocked, hidden }: UserChange,
    act: AdminAct,
  ): Promise<ModeratedUser> {
    if (displayName === undefined && nameLocked === undefined && hidden === undefined)
      throw invalid('/', 'must name displayName, nameLocked or hidden');
    const { writer } = this.#options;
    const name = displayName === undefined ? null : storedName(displayName);
    return this.actOn(userId, async (client, user) => {
      if (user.isErased) throw noUser(userId);
      const named =
        displayName === undefined && nameLocked === undefined
          ? null
          : await giveName(client, user, name, nameLocked ?? true, { act, writer });
      const moved = hidden === undefined ? null : await setHidden(client, user, hidden, { act, writer });
      return named && moved ? { ...named, ...moved } : (named ?? moved);
    });
  }

  /** Does something about a user in a transaction that holds its row, and shows what is committed. */
  async actOn(
    userId: string,
    work: (client: Queryable, user: LockedUser) => Promise<UserAct | null>,
  ): Promise<ModeratedUser> {
    const { pool, bans, leaderboards, onError } = this.#options;
    const { done, result } = await inTurn(pool, userId, () =>
      transact(pool, async (client) => {
        const act = await work(client, await lockUser(client, userId));
        return { done: act, result: await moderatedUser(client, userId) };
      }),
    );
    // It is committed: if this fails, the announcement tells it.
    if (done !== null) await leaderboards.apply(done.changeId, done.entries).catch(onError);
    if (done?.name)
      await leaderboards
        .rename(done.changeId, userId, done.name.displayName, done.name.boards)
        .catch(onError);
    await bans.refresh(userId).catch(onError);
    return result;
  }

  /** Runs a correction in a transaction, and shows on the boards what is committed. */
  async correct<T>(work: (client: Queryable) => Promise<{ correction: Correction; result: T }>): Promise<T> {
    const { pool, leaderboards, onError } = this.#options;
    try {
      const { correction, result } = await transact(pool, work);
      // It is committed: if this fails, the boards get it from the announcement.
      await leaderboards.apply(correction.changeId, correction.entries).catch(onError);
      return result;
    } catch (error) {
      throw isOutOfRange(error) ? outOfRange() : error;
    }
  }
}

/** An event as it is shown, of what PostgreSQL has. */
function adminEvent(row: AdminEvent): AdminEvent {
  const isOfPlayer = row.issuedBy === row.userId;
  withIds([row], { eventId: 'evt', userId: 'usr', tokenId: 'tok', issuedBy: 'svc', importId: 'imp' });
  return { ...withoutNull(row, 'achievedAt', 'importId'), ...(isOfPlayer && { issuedBy: 'player' }) };
}

const undoneMeanwhile = (id: string) => new Problem('act-undone', `The act "${id}" was undone meanwhile.`);

const hasFinalSeasons = () =>
  new Problem(
    'season-final',
    'Events that are still there count in seasons that are final. With "amend": true these are corrected too.',
  );

const archived = (id: string) =>
  new Problem('event-archived', `The event "${id}" is archived: it counts, or does not, for good.`);

/** @throws Problem `not-found`, `event-archived` */
export async function findEvent(client: Queryable, id: string): Promise<AdminEvent> {
  const { rows } = await client.query<AdminEvent>(`SELECT ${COLUMNS} FROM score_events e WHERE e.id = $1`, [
    toUuid('evt', id),
  ]);
  const [event] = rows;
  if (event === undefined && (await isArchived(client, toUuid('evt', id)))) throw archived(id);
  if (event === undefined) throw new Problem('not-found', `There is no event "${id}".`);
  return adminEvent(event);
}
