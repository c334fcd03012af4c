import { Value } from '@sinclair/typebox/value';
import fp from 'fastify-plugin';
import { type Overview, ProcessReport } from '../schemas/overview.js';
import { now } from '../src/clock.js';
import type { AppConfig } from '../src/config.js';
import { RecentActivity } from '../src/moderation/overview.js';

declare module 'fastify' {
  interface FastifyInstance {
    recentActivity: RecentActivity;
    /** What the processes of this instance know, added up. */
    instanceReport(): Promise<Overview['instance']>;
  }
}

const sum = (one: ProcessReport, other: ProcessReport): ProcessReport => ({
  streams: one.streams + other.streams,
  rejectedTokens: one.rejectedTokens.map((count, i) => count + (other.rejectedTokens[i] ?? 0)),
  projectionsReady: one.projectionsReady + other.projectionsReady,
  projectionsLoading: one.projectionsLoading + other.projectionsLoading,
});

/** How things are, for people who look at them. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    app.decorate('recentActivity', new RecentActivity(app.pg.pool));
    const own = (): ProcessReport => {
      const projections = app.boards.projections();
      const projectionsReady = projections.filter(({ isReady }) => isReady).length;
      return {
        streams: app.hub.active,
        rejectedTokens: app.rejectedTokens.read(now()),
        projectionsReady,
        projectionsLoading: projections.length - projectionsReady,
      };
    };
    app.shared.report('overview', async () => own());
    app.decorate('instanceReport', async () => {
      // A process that does not answer is left out: the others are worth seeing.
      const reports = await app.shared.reports('overview').catch(() => null);
      const known = reports?.filter((report) => Value.Check(ProcessReport, report)) ?? [];
      const [first = own(), ...others] = known;
      return { ...others.reduce(sum, first), streamsCapacity: config.SSE_MAX_CONNECTIONS };
    });
  },
  {
    name: 'overview',
    dependencies: ['db', 'leaderboard', 'scoring', 'sse-broadcaster', 'shared-state'],
    fastify: '5.x',
  },
);
