import type pg from 'pg';
import type {
  NewWebhook,
  Replay,
  Webhook,
  WebhookChange,
  WebhookDelivery,
  WebhookSecret,
} from '../../schemas/webhook.js';
import { type AdminAct, audit } from '../audit.js';
import { announce } from '../changes/change.js';
import { now } from '../clock.js';
import { invalid, Problem } from '../errors.js';
import { newId } from '../ids.js';
import { addJob, BITE_MS } from '../jobs/job.js';
import { type Queryable, transact } from '../postgres/database.js';
import { rfc3339 } from '../postgres/sql.js';
import { fromUuid, toUuid, toUuids, withIds } from '../stored-ids.js';
import { disable } from './deliver.js';
import { faultOf, type Route } from './post.js';
import { DELIVER, hasAsMany, MAX_WAITING } from './publish.js';
import { reseal } from './reseal.js';
import type { Sealed, Sealing } from './sealing.js';
import { newSecret } from './signature.js';

const MAX_WEBHOOKS = 100;
/** How long the secret before signs too. */
const OVERLAP_MS = 24 * 3_600_000;

const MEMBERS = `
id, url, events, format, ${rfc3339('created_at')} AS "createdAt", ${rfc3339('disabled_at')} AS "disabledAt",
disabled_because AS "disabledBecause"`;
const COUNT = 'SELECT count(*) FROM webhooks WHERE removed_at IS NULL';
const ADD = `
INSERT INTO webhooks (id, url, events, format, sealed, sealed_by) VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${MEMBERS}`;
const PAGE = `
SELECT ${MEMBERS} FROM webhooks WHERE ($1::uuid IS NULL OR id < $1) AND removed_at IS NULL ORDER BY id DESC LIMIT $2`;
const ONE = `SELECT ${MEMBERS} FROM webhooks WHERE id = $1 AND removed_at IS NULL`;
const LOCK = `
SELECT ${MEMBERS}, sealed, sealed_by AS "sealedBy" FROM webhooks WHERE id = $1 AND removed_at IS NULL FOR NO KEY UPDATE`;
const SET_URL = 'UPDATE webhooks SET url = $2 WHERE id = $1';
/** The receiver of before has asked for a pause. A shorter time is that of a run that is under way. */
const END_PAUSE = `
UPDATE webhooks SET not_before = '-infinity' WHERE id = $1 AND not_before > now() + interval '${BITE_MS} milliseconds'`;
const TRY_NOW = `
UPDATE webhook_deliveries SET next_try_at = now() WHERE webhook_id = $1 AND state = 'waiting' AND next_try_at > now()`;
const SET_EVENTS = 'UPDATE webhooks SET events = $2 WHERE id = $1';
const ENABLE = 'UPDATE webhooks SET disabled_at = NULL, disabled_because = NULL WHERE id = $1';
const REMOVE = 'UPDATE webhooks SET removed_at = now() WHERE id = $1';
/** Unless as many wait as may. */
const TEST = `
INSERT INTO webhook_deliveries (webhook_id, id, type, data)
SELECT w.id, $2, 'webhook.test', '{}' FROM webhooks w WHERE w.id = $1 AND NOT ${hasAsMany('waiting', MAX_WAITING)}`;
const DELIVERY = `
id, type, ${rfc3339('at')} AS at, state, tries, ${rfc3339(`CASE state WHEN 'waiting' THEN next_try_at END`)} AS "nextTryAt",
${rfc3339('tried_at')} AS "triedAt", status, error`;
const DELIVERIES = `
SELECT ${DELIVERY} FROM webhook_deliveries
WHERE webhook_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR state = $3) ORDER BY id DESC LIMIT $4`;
/** $1 a webhook, $2 the events, or null for all dead letters since $3. The oldest, and no more than may wait. */
const REPLAY = `
UPDATE webhook_deliveries SET state = 'waiting', tries = 0, next_try_at = now(), kept_until = NULL
WHERE webhook_id = $1 AND id = ANY (ARRAY(
  SELECT id FROM webhook_deliveries
  WHERE webhook_id = $1 AND state <> 'waiting'
    AND CASE WHEN $2::uuid[] IS NULL THEN state = 'dead' AND at >= $3 ELSE id = ANY ($2) END
  ORDER BY id LIMIT ${MAX_WAITING} - (
    SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'waiting' LIMIT ${MAX_WAITING}) d)))`;

interface WebhooksOptions {
  readonly pool: pg.Pool;
  readonly sealing: Sealing;
  readonly route: Route;
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
}

type Locked = Webhook & Sealed;

/** Which receivers get which events, as administrators decide. Each act is one transaction with its line in the audit. */
export class Webhooks {
  readonly #options: WebhooksOptions;

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  /** @throws Problem `webhook-url-refused`, `too-many-webhooks` */
  async create({ url: text, events, format }: NewWebhook, act: AdminAct): Promise<WebhookSecret> {
    const { pool, sealing } = this.#options;
    const url = this.#urlOf(text);
    const shown = shownUrl(url, format);
    return await transact(pool, async (client) => {
      const { rows: counted } = await client.query<{ count: number }>(COUNT);
      if ((counted[0]?.count ?? 0) >= MAX_WEBHOOKS)
        throw new Problem('too-many-webhooks', `There are ${MAX_WEBHOOKS} webhooks: delete one of them.`);
      const id = newId('whk');
      const secret = newSecret();
      const { sealed, sealedBy } = sealing.seal(id, { url: url.href, secret });
      const values = [toUuid('whk', id), shown, events, format, sealed, sealedBy];
      const { rows } = await client.query<Webhook>(ADD, values);
      await audit(client, act, 'create-webhook', id, { url: shown, events, format });
      await this.#announce(client);
      return { ...one(rows, id), secret };
    });
  }

  /** Newest first, before the given one. */
  async page(limit: number, before: string | null): Promise<Webhook[]> {
    const values = [before === null ? null : toUuid('whk', before), limit];
    return withIds((await this.#options.pool.query<Webhook>(PAGE, values)).rows, { id: 'whk' });
  }

  /** @throws Problem `not-found` */
  async one(id: string): Promise<Webhook> {
    return one((await this.#options.pool.query<Webhook>(ONE, [toUuid('whk', id)])).rows, id);
  }

  /** @throws Problem `not-found`, `webhook-url-refused` */
  async change(id: string, { url: text, events, disabled }: WebhookChange, act: AdminAct): Promise<Webhook> {
    const { sealing } = this.#options;
    const url = text === undefined ? undefined : this.#urlOf(text);
    return await this.#act(id, async (client, { sealed, sealedBy, ...webhook }) => {
      const uuid = toUuid('whk', id);
      const shown = url && shownUrl(url, webhook.format);
      if (url !== undefined) {
        await client.query(SET_URL, [uuid, shown]);
        await reseal(client, sealing, id, { ...sealing.open(id, { sealed, sealedBy }), url: url.href });
      }
      if (events !== undefined) await client.query(SET_EVENTS, [uuid, events]);
      if (disabled === true) await disable(client, uuid, 'administrator');
      if (disabled === false) await client.query(ENABLE, [uuid]);
      if (url !== undefined || disabled === false) {
        await client.query(END_PAUSE, [uuid]);
        await client.query(TRY_NOW, [uuid]);
        await addJob(client, DELIVER, { webhook: uuid ?? '' });
      }
      const changes = {
        ...(shown && { url: shown }),
        ...(events && { events }),
        ...(disabled !== undefined && { disabled }),
      };
      await audit(client, act, 'change-webhook', id, changes);
      await this.#announce(client);
      return one((await client.query<Webhook>(ONE, [uuid])).rows, id);
    });
  }

  /** Nothing is published to it any more; its deliveries leave in bites. @throws Problem `not-found` */
  remove(id: string, act: AdminAct): Promise<void> {
    return this.#act(id, async (client) => {
      await client.query(REMOVE, [toUuid('whk', id)]);
      await audit(client, act, 'delete-webhook', id);
      await this.#announce(client);
    });
  }

  /** Makes another secret. The one before signs too for 24 hours. @throws Problem `not-found` */
  rotate(id: string, act: AdminAct): Promise<WebhookSecret> {
    const { sealing } = this.#options;
    return this.#act(id, async (client, { sealed, sealedBy, ...webhook }) => {
      const before = sealing.open(id, { sealed, sealedBy });
      const secret = newSecret();
      const previous = { secret: before.secret, until: now() + OVERLAP_MS };
      await reseal(client, sealing, id, { url: before.url, secret, previous });
      await audit(client, act, 'rotate-webhook', id);
      return { ...webhook, secret };
    });
  }

  /** Sends it a test. @throws Problem `not-found`, `webhook-disabled`; `rate-limited` if as many deliveries wait as may */
  test(id: string): Promise<WebhookDelivery> {
    return this.#act(id, async (client, webhook) => {
      assertEnabled(webhook);
      const uuid = toUuid('whk', id);
      const message = toUuid('msg', newId('msg'));
      const { rows } = await client.query<WebhookDelivery>(`${TEST} RETURNING ${DELIVERY}`, [uuid, message]);
      if (rows.length === 0) throw tooManyWait();
      await addJob(client, DELIVER, { webhook: uuid ?? '' });
      return one(rows, id, 'msg');
    });
  }

  /** Newest first, before the given one. @throws Problem `not-found` */
  async deliveries(
    id: string,
    state: WebhookDelivery['state'] | undefined,
    limit: number,
    before: string | null,
  ): Promise<WebhookDelivery[]> {
    await this.one(id);
    const values = [toUuid('whk', id), before === null ? null : toUuid('msg', before), state ?? null, limit];
    return withIds((await this.#options.pool.query<WebhookDelivery>(DELIVERIES, values)).rows, { id: 'msg' });
  }

  /**
   * Has deliveries tried again, from the first try on: as many as may wait, the oldest first.
   * @returns how many
   * @throws Problem `validation-failed`, `not-found`, `webhook-disabled`
   */
  async replay(id: string, { deliveries, since }: Replay, act: AdminAct): Promise<number> {
    if ((deliveries === undefined) === (since === undefined))
      throw invalid('/', 'must name either deliveries or since');
    return await this.#act(id, async (client, webhook) => {
      assertEnabled(webhook);
      const uuid = toUuid('whk', id);
      const messages = deliveries === undefined ? null : toUuids('msg', deliveries);
      const { rowCount } = await client.query(REPLAY, [uuid, messages, since ?? null]);
      await addJob(client, DELIVER, { webhook: uuid ?? '' });
      await audit(client, act, 'replay-webhook', id, { ...(since && { since }), replayed: rowCount });
      return rowCount ?? 0;
    });
  }

  #urlOf(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined) throw invalid('/url', 'is not a URL');
    url.hash = '';
    const fault = faultOf(url, this.#options.route);
    if (fault !== null) throw new Problem('webhook-url-refused', `The URL ${fault}.`);
    return url;
  }

  /** @throws Problem `not-found` */
  #act<T>(id: string, work: (client: Queryable, webhook: Locked) => Promise<T>): Promise<T> {
    return transact(this.#options.pool, async (client) =>
      work(client, one((await client.query<Locked>(LOCK, [toUuid('whk', id)])).rows, id)),
    );
  }

  #announce(client: Queryable): Promise<void> {
    return announce(client, { type: 'webhooks', id: newId('chg'), writer: this.#options.writer });
  }
}

/** The only row, with its id. @throws Problem `not-found` */
function one<Row extends { id: string }>(rows: Row[], id: string, prefix: 'whk' | 'msg' = 'whk'): Row {
  const [row] = rows;
  if (row === undefined) throw new Problem('not-found', `There is no webhook "${id}".`);
  return { ...row, id: fromUuid(prefix, row.id) };
}

const tooManyWait = (): Problem =>
  new Problem(
    'rate-limited',
    `${MAX_WAITING} deliveries wait for this webhook: test it when they have left.`,
    {
      retryAfter: 60,
    },
  );

function assertEnabled({ id, disabledAt }: Webhook): void {
  if (disabledAt !== null)
    throw new Problem('webhook-disabled', `The webhook "${id}" is disabled: put it into use first.`);
}

/** A query often has a token, and the path of a webhook of Discord ends in one. */
function shownUrl({ origin, pathname }: URL, format: Webhook['format']): string {
  return `${origin}${format === 'discord' ? pathname.replace(/[^/]+\/?$/, '…') : pathname}`;
}
