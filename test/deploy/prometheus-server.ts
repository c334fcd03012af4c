import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram, type TestProgram } from '../../dev/test-program.js';
import { eventually } from '../api.js';

const FOLDER = 'deploy/prometheus';
const READY_WITHIN_MS = 20_000;

function program(name: TestProgram): string {
  const file = findTestProgram(name);
  if (file === undefined) throw new Error('Run "npm test", which installs Prometheus.');
  return file;
}

/** The output of promtool; rejects if it fails. `input` is its standard input, for the file `/dev/stdin`. */
export async function promtool(args: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(program('promtool'), args);
  running.child.stdin?.end(input);
  const { stdout, stderr } = await running;
  return stdout + stderr;
}

/** A folder like /etc/prometheus in the container, with a target of the test. It is deleted with the test. */
export function configure(t: Test, target: string, scrapeInterval = '15s', patience?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-prometheus-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const config = readFileSync(join(FOLDER, 'prometheus.yml'), 'utf8')
    .replace('scrape_interval: 15s', `scrape_interval: ${scrapeInterval}`)
    .replace('scrape_timeout: 5s', `scrape_timeout: ${scrapeInterval}`)
    .replace('evaluation_interval: 15s', `evaluation_interval: ${scrapeInterval}`);
  writeFileSync(join(folder, 'prometheus.yml'), config);
  const rules = readFileSync(join(FOLDER, 'alerts.yml'), 'utf8');
  const hasty = patience === undefined ? rules : rules.replaceAll(/ for: \d+m/g, ` for: ${patience}`);
  writeFileSync(join(folder, 'alerts.yml'), hasty);
  writeFileSync(join(folder, 'targets.yml'), JSON.stringify([{ targets: [target] }]));
  return folder;
}

const Success = Type.Object({ status: Type.Literal('success'), data: Type.Unknown() });
const Vector = Type.Object({
  result: Type.Array(
    Type.Object({
      metric: Type.Record(Type.String(), Type.String()),
      value: Type.Tuple([Type.Number(), Type.String()]),
    }),
  ),
});
const Rules = Type.Object({
  groups: Type.Array(
    Type.Object({
      rules: Type.Array(
        Type.Object({
          type: Type.String(),
          name: Type.String(),
          health: Type.String(),
          query: Type.String(),
        }),
      ),
    }),
  ),
});

/** A real Prometheus on a free port of 127.0.0.1. */
export class PrometheusServer {
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
  }

  /**
   * Scrapes `target` every second, as deploy/prometheus says. Ready when this resolves; ended with the test.
   * @param patience how long what an alert looks for must last, where it is not what the rules say
   */
  static async start(t: Test, target: string, patience?: string): Promise<PrometheusServer> {
    const folder = configure(t, target, '1s', patience);
    const address = `127.0.0.1:${await freePort()}`;
    const args = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=error',
    ];
    const running = spawn(program('prometheus'), args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const exited = once(running, 'exit');
    t.teardown(async () => {
      running.kill('SIGKILL');
      await exited;
    });
    await eventually(async () => {
      const { ok } = await fetch(`http://${address}/-/ready`);
      if (!ok) throw new Error('Prometheus is not ready');
    }, READY_WITHIN_MS);
    return new PrometheusServer(`http://${address}`);
  }

  /** The current value of an expression. */
  async query(expression: string): Promise<Static<typeof Vector>['result']> {
    const { result } = await this.#get(Vector, `query?${new URLSearchParams({ query: expression })}`);
    return result;
  }

  async rules(): Promise<Static<typeof Rules>['groups'][number]['rules']> {
    const { groups } = await this.#get(Rules, 'rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async #get<T extends TSchema>(data: T, path: string): Promise<Static<T>> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const body: unknown = await response.json();
    if (!Value.Check(Success, body)) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return Value.Parse(data, body.data);
  }
}
