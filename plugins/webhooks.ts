import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import type { OutsideJob } from '../src/jobs/job.js';
import type { Queryable } from '../src/postgres/database.js';
import { deliver } from '../src/webhooks/deliver.js';
import { Leaders } from '../src/webhooks/leaders.js';
import { networksOf } from '../src/webhooks/networks.js';
import type { Route } from '../src/webhooks/post.js';
import { purgeWebhooks } from '../src/webhooks/purge-webhooks.js';
import { resealWebhooks } from '../src/webhooks/reseal.js';
import { Sealing, type Unreadable } from '../src/webhooks/sealing.js';
import { Webhooks } from '../src/webhooks/webhooks.js';

declare module 'fastify' {
  interface FastifyInstance {
    webhooks: Webhooks;
    deliveries: OutsideJob;
    webhookPurges: readonly ((client: Queryable, limit: number) => Promise<boolean>)[];
  }
}

/** Events for receivers elsewhere. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { measured } = app;
    const sealing = new Sealing(config.JWT_SECRET, config.JWT_SECRET_PREVIOUS);
    const route: Route = {
      allowed: networksOf(config.WEBHOOK_ALLOW_NETWORKS),
      onlyHttps: config.production,
    };
    const onUnreadable = (err: Unreadable) => app.log.error({ err }, 'Webhook cannot be read');
    app.decorate('webhooks', new Webhooks({ pool: app.pg.pool, sealing, route, writer: app.instance }));
    app.decorate(
      'deliveries',
      deliver({
        sealing,
        route,
        onTry: (result, seconds) => {
          measured.webhookTries.inc({ result });
          measured.webhookDuration.observe(seconds);
        },
        onUnreadable,
        onGone: (webhook) => app.log.warn({ data: { webhook } }, 'Webhook disabled: its receiver is gone'),
      }),
    );
    const leaders = new Leaders({
      pool: app.pg.pool,
      writer: app.instance,
      onError: (error) => app.faults.database(error, 'looking at the leader of a board'),
    });
    app.changes.listen({
      onChange: (change) => leaders.hear(change),
      onResync: () => leaders.start(),
    });
    app.addHook('onReady', async () => leaders.start());
    app.addHook('onClose', () => leaders.stop());
    app.decorate('webhookPurges', [purgeWebhooks, resealWebhooks(sealing, onUnreadable)]);
  },
  { name: 'webhooks', dependencies: ['db', 'change-feed', 'metrics'], fastify: '5.x' },
);
