import { type components, ScoreboardError, type Standing } from '@scoreboard/client';
import { Value } from '@sinclair/typebox/value';
import { Health } from '../../schemas/service.js';
import { SmokeFailure } from './smoke-failure.js';
import { Target } from './target.js';

type Session = components['schemas']['Session'];
type Action = components['schemas']['Action'];

/** A board and an action for this test alone, so that no player sees the guest on a real board. */
const OWN = 'smoke-test';
const OWN_BOARD = { title: 'Smoke test', sort: 'desc', operator: 'increment' } as const;
const OWN_ACTION = {
  title: 'Smoke test',
  points: { min: 1, max: 1 },
  leaderboards: [OWN],
  issuer: 'player' as const,
  minDurationMs: 0,
};
/** A longer action could not be finished within the limit of the test. */
const LONGEST_ACTION_MS = 2_000;

/** The metrics of the deployment specification. */
const METRICS = [
  'http_requests_total',
  'http_request_duration_seconds',
  'sse_connections_active',
  'score_updates_total',
  'action_token_validations_total',
  'rate_limit_hits_total',
  'redis_leaderboard_sync_drift',
];

export interface Journey {
  readonly url: string;
  /** Where /metrics is; null skips the metrics. */
  readonly metricsUrl: string | null;
  /** The action to score with; by default `smoke-test`, or the shortest action that players may issue. */
  readonly actionId: string | undefined;
  /** A service account with the role admin, which defines the board and the action `smoke-test`. */
  readonly admin: { readonly clientId: string; readonly clientSecret: string } | undefined;
  /** Limit of the whole test, and of the cleaning up after it, in milliseconds. */
  readonly limitMs: number;
  readonly cleanUpMs: number;
}

/**
 * Does what one player does: a guest scores, receives its rank on the stream, reads it, and is erased.
 * @returns what was observed, in one line
 * @throws SmokeFailure
 */
export async function runJourney(journey: Journey): Promise<string> {
  const { url, metricsUrl, actionId, admin, limitMs, cleanUpMs } = journey;
  const began = performance.now();
  const signal = AbortSignal.timeout(limitMs);
  const target = new Target(url, signal);
  const step = <T>(name: string, lookAt: string, work: () => Promise<T>) =>
    explained(name, lookAt, signal, `no answer within the ${limitMs / 1000} s of the whole test`, work);

  await step('health', 'docs/operations.md#instancesunhealthy', () => checkHealth(target));
  if (admin !== undefined) {
    await step('smoke-test action', 'SCOREBOARD_CLIENT_ID and its scopes, which must have boards:write', () =>
      defineOwn(target, admin.clientId, admin.clientSecret),
    );
  }
  const action = await step('action', 'GET /v1/actions', () => chooseAction(target, actionId));
  const guest = await step('guest', '"Database error" in the log', () =>
    target.ask((http) => http.POST('/v1/auth/guest', { body: { displayName: 'Smoke test' } })),
  );
  let seen: string;
  try {
    seen = await play(target, step, guest, action);
    if (metricsUrl !== null) {
      await step('metrics', 'the address of --metrics: a load balancer should hide /metrics', () =>
        checkMetrics(new Target(metricsUrl, signal)),
      );
    }
  } catch (failure) {
    // The guest is erased as well, but the first failure is the one to report.
    await erase(url, guest, cleanUpMs).catch(() => {});
    throw failure;
  }
  await erase(url, guest, cleanUpMs);
  const checked = metricsUrl === null ? 'health' : 'metrics, health';
  return `${seen}, ${checked} in ${((performance.now() - began) / 1000).toFixed(1)} s`;
}

type Step = <T>(name: string, lookAt: string, work: () => Promise<T>) => Promise<T>;

async function play(target: Target, step: Step, guest: Session, action: Action): Promise<string> {
  const { accessToken, user } = guest;
  const [board = ''] = action.leaderboards;
  const path = `/v1/leaderboards/${board}`;
  const events = await step('stream', 'whether the load balancer buffers /stream', async () => {
    const events = await target.events(`${path}/stream?limit=1&user=${user.id}`);
    for (;;) {
      const { done, value } = await events.next();
      if (done === true) throw new SmokeFailure('the stream ended before its snapshot');
      if (value.event === 'snapshot') return events;
    }
  });
  const score = await step(
    'score',
    '"Failed to update score" and "Action token rejected" in the log',
    async () => {
      const { actionToken, points } = await target.ask(
        (http) => http.POST('/v1/action-tokens', { body: { action: action.id } }),
        accessToken,
      );
      if (action.minDurationMs > 0) await target.wait(action.minDurationMs);
      const body = { actionToken, ...(points.min < points.max && { points: points.min }) };
      const receipt = await target.ask((http) => http.POST('/v1/scores', { body }), accessToken);
      const entry = receipt.leaderboards.find(({ id }) => id === board);
      if (receipt.status !== 'counted' || entry === undefined || 'skipped' in entry) {
        throw new SmokeFailure(`the score of "${action.id}" is ${receipt.status}, not counted on "${board}"`);
      }
      return entry.score;
    },
  );
  const scored = performance.now();
  const isExpected = (standing: Pick<Standing, 'userId' | 'score'>) =>
    standing.userId === user.id && standing.score === score;
  await step(
    'event',
    'docs/operations.md#leaderboardnotready, and whether the load balancer buffers',
    async () => {
      for (;;) {
        const { done, value } = await events.next();
        if (done === true) throw new SmokeFailure('the stream ended before the event of the score');
        if (value.event === 'rank' && isExpected(JSON.parse(value.data))) return events.return?.();
      }
    },
  );
  const delay = Math.round(performance.now() - scored);
  const rank = await step('rank', 'docs/operations.md#leaderboardnotready', () =>
    target.until(async () => {
      const { data } = await target
        .http({ accept: [404] })
        .GET('/v1/leaderboards/{id}/entries/{userId}', { params: { path: { id: board, userId: user.id } } });
      return data !== undefined && isExpected(data) ? data.rank : undefined;
    }),
  );
  return `guest, score ${score} with ${action.id}, event after ${delay} ms, rank ${rank} on ${board}`;
}

async function checkHealth(target: Target): Promise<void> {
  const { data, error } = await target.http({ accept: [503] }).GET('/health');
  const health = data ?? error;
  // Checked once: a server whose health has this shape is scoreboard-api.
  if (!Value.Check(Health, health)) throw new SmokeFailure('GET /health did not answer like scoreboard-api');
  const { status, checks } = health;
  if (status === 'ok') return;
  const { database, redis } = checks;
  throw new SmokeFailure(`the service is ${status} (database: ${database}, redis: ${redis})`);
}

async function defineOwn(target: Target, clientId: string, clientSecret: string): Promise<void> {
  const findOwn = async () => (await actionsOf(target)).find(({ id }) => id === OWN);
  if ((await findOwn()) !== undefined) return;
  const body = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
  } as const;
  const { access_token } = await target.ask((http) => http.POST('/v1/auth/token', { body }));
  const http = target.http({ accessToken: access_token });
  const params = { path: { id: OWN } };
  await http.PUT('/v1/admin/leaderboards/{id}', { params, body: OWN_BOARD });
  await http.PUT('/v1/admin/actions/{id}', { params, body: OWN_ACTION });
  // Other instances follow within a second, and one of them may answer the next request.
  await target.until(findOwn);
}

async function actionsOf(target: Target): Promise<Action[]> {
  return (await target.ask((http) => http.GET('/v1/actions'))).items;
}

async function chooseAction(target: Target, wanted: string | undefined): Promise<Action> {
  const fit = (await actionsOf(target))
    .filter(({ issuer, minDurationMs }) => issuer === 'player' && minDurationMs <= LONGEST_ACTION_MS)
    .sort((a, b) => Number(b.id === OWN) - Number(a.id === OWN) || a.minDurationMs - b.minDurationMs);
  const chosen = wanted === undefined ? fit[0] : fit.find(({ id }) => id === wanted);
  if (chosen !== undefined) return chosen;
  throw new SmokeFailure(
    `there is no action ${wanted === undefined ? '' : `"${wanted}" `}that a player may issue and finish within ` +
      `${LONGEST_ACTION_MS / 1000} s; with SCOREBOARD_CLIENT_ID and SCOREBOARD_CLIENT_SECRET of an admin one is defined`,
  );
}

async function checkMetrics(target: Target): Promise<void> {
  const text = await target.text('/metrics');
  const missing = METRICS.filter((name) => !new RegExp(`^# TYPE ${name} `, 'm').test(text));
  if (missing.length > 0) throw new SmokeFailure(`${target.url}/metrics is without ${missing.join(', ')}`);
}

/** Has its own time limit, so that it also runs after the test has used up all of its time. */
function erase(url: string, { accessToken }: Session, cleanUpMs: number): Promise<unknown> {
  const signal = AbortSignal.timeout(cleanUpMs);
  const work = () => new Target(url, signal).http({ accessToken }).DELETE('/v1/users/me');
  return explained('erase', '"Database error" in the log', signal, 'no answer', work);
}

async function explained<T>(
  name: string,
  lookAt: string,
  signal: AbortSignal,
  tooLate: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = signal.aborted ? tooLate : reasonOf(error);
    throw new SmokeFailure(`${name}: ${reason}. Look at ${lookAt}.`, { cause: error });
  }
}

/** The client wraps what the target throws in an error of its own, which says less. */
function reasonOf(error: unknown): string {
  if (error instanceof ScoreboardError && error.cause instanceof SmokeFailure) return error.cause.message;
  return error instanceof Error ? error.message : String(error);
}
