import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { NODE_ARGUMENTS } from '../../dev/testing/node-arguments.js';
import { eventually } from '../api.js';
import { PrometheusServer } from '../deploy/prometheus-server.js';
import { buildTestApp } from '../helper.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/watch-rollback.js', import.meta.url));

async function watch(args: string[], path = process.env['PATH']) {
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, SCRIPT, ...args], {
    env: { PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr };
}

/** A PATH with a command `aws` that prints one of these answers at each call, and repeats the last. */
function cloudWatch(t: Test, answers: string[]): string {
  const script = [
    '#!/bin/sh',
    'cd "$(dirname "$0")" && echo "$@" >> calls',
    'n=$(wc -l < calls)',
    `[ "$n" -le ${answers.length} ] || n=${answers.length}`,
    '[ -s "answer$((n))" ] && cat "answer$((n))"',
  ].join('\n');
  const files = Object.fromEntries(answers.map((answer, i) => [`answer${i + 1}`, answer]));
  const folder = t.testdir({ aws: script, ...files });
  chmodSync(`${folder}/aws`, 0o755);
  return `${folder}:${process.env['PATH']}`;
}

const alarms = (...states: string[]) =>
  JSON.stringify({
    MetricAlarms: states.map((StateValue, i) => ({ AlarmName: `scoreboard-api-${i}`, StateValue })),
    CompositeAlarms: [],
  });
const NAMES = ['--alarms', 'scoreboard-api-0,scoreboard-api-1'];
const QUICKLY = ['--minutes', '0.02', '--every', '0.1'];
const LONG = ['--minutes', '10', '--every', '0.05'];

t.test('CloudWatch: no alarm fires, and the deployment stays', async (t) => {
  const path = cloudWatch(t, [alarms('OK', 'INSUFFICIENT_DATA')]);
  const { code, stdout, stderr } = await watch([...QUICKLY, ...NAMES], path);
  t.equal(stderr, '');
  t.equal(stdout, 'No rollback trigger has fired.\n');
  t.equal(code, 0);
});

t.test('CloudWatch: an alarm that fires later ends the watch immediately', async (t) => {
  const path = cloudWatch(t, [alarms('OK', 'OK'), alarms('OK', 'OK'), alarms('OK', 'ALARM')]);
  const { code, stderr } = await watch([...LONG, ...NAMES], path);
  t.equal(stderr, 'Fired: scoreboard-api-1. Look at docs/operations.md#rollback.\n');
  t.equal(code, 1);
});

t.test('CloudWatch: single failed checks are tolerated, many in a row end the watch', async (t) => {
  const passing = cloudWatch(t, ['', '', alarms('OK', 'ALARM')]);
  t.equal((await watch([...LONG, ...NAMES], passing)).code, 1);
  const away = cloudWatch(t, [alarms('OK', 'OK'), '']);
  const { code, stderr } = await watch([...LONG, ...NAMES], away);
  t.equal(code, 2);
  t.match(
    stderr,
    /^The state of the triggers is unknown: Command failed: aws cloudwatch describe-alarms .*\n$/,
  );
});

t.test('CloudWatch: a missing alarm, or a failed last check, is not taken for success', async (t) => {
  const { code, stderr } = await watch([...LONG, ...NAMES], cloudWatch(t, [alarms('OK')]));
  t.equal(code, 2);
  t.equal(stderr, 'The state of the triggers is unknown: CloudWatch knows no alarm scoreboard-api-1\n');
  const silent = await watch([...QUICKLY, '--every', '0.5', ...NAMES], cloudWatch(t, ['']));
  t.equal(silent.code, 2);
  t.equal(silent.stderr, 'The last check of the triggers failed.\n');
});

t.test('Prometheus: a trigger fires, and other alerts are ignored', async (t) => {
  const { app, url } = await buildTestApp(t);
  // The rules as they are, but without the time for which a condition must hold.
  const prometheus = await PrometheusServer.start(t, new URL(url).host, '0s');
  await eventually(async () => assert.equal((await prometheus.query('up == 1')).length, 1), 30_000);
  const quiet = await watch([...QUICKLY, '--prometheus', prometheus.url]);
  t.match(quiet, { code: 0, stderr: '' });
  const watching = watch(['--minutes', '10', '--every', '0.2', '--prometheus', `${prometheus.url}/`]);
  await app.close();
  const { code, stderr } = await watching;
  t.equal(stderr, 'Fired: InstancesUnhealthy. Look at docs/operations.md#rollback.\n');
  t.equal(code, 1);
});

t.test('Prometheus: a server that answers with an error leaves the state unknown', async (t) => {
  const server = createServer((_, response) => response.writeHead(502).end());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const { code, stderr } = await watch([...LONG, '--prometheus', `http://127.0.0.1:${port}`]);
  t.equal(code, 2);
  t.equal(stderr, 'The state of the triggers is unknown: Prometheus answered 502\n');
});

t.test('an incomplete command line prints the usage', async (t) => {
  for (const args of [
    [],
    ['--minutes', '5'],
    ['--minutes', 'x', ...NAMES],
    ['--fast'],
    [...QUICKLY, ...NAMES, '--prometheus', 'http://x'],
  ]) {
    const { code, stderr } = await watch(args);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, /npm run watch-rollback -- --minutes <n>/, args.join(' '));
  }
});
