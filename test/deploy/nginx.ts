import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram } from '../../dev/test-program.js';
import { eventually } from '../api.js';
import { RawStream } from '../live/live-server.js';

const FOLDER = 'deploy/nginx';
const READY_WITHIN_MS = 20_000;

interface Call {
  readonly json?: unknown;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  /** The client's address: any of 127.0.0.0/8. */
  readonly from?: string;
}

export interface Reply {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** A real nginx on free ports of 127.0.0.1, with the files of deploy/nginx except for addresses and folders. It ends with the test. */
export class Nginx {
  /** Options of TLS that trust the certificate of this test. */
  readonly ca: Buffer;

  private constructor(
    readonly httpPort: number,
    readonly port: number,
    folder: string,
  ) {
    this.ca = readFileSync(join(folder, 'certificates', 'fullchain.pem'));
  }

  /** @param instances the URLs that replace `api-1` and `api-2`, or the one `api` of the simple stack */
  static async start(t: Test, ...instances: readonly [string, string?]): Promise<Nginx> {
    const { program, folder } = prepare();
    const [httpPort, port] = [await freePort(), await freePort()];
    const hosts = instances.flatMap((url) => (url === undefined ? [] : new URL(url).host));
    copyInto(folder, 'nginx.conf', {
      'listen 80 ': `listen 127.0.0.1:${httpPort} `,
      'listen 443 ': `listen 127.0.0.1:${port} `,
      '/tmp/': `${folder}/`,
      '/dev/stdout': join(folder, 'access.log'),
      'worker_connections 32768': 'worker_connections 512',
      'worker_rlimit_nofile 65536;': '',
    });
    const names = hosts.map((host, i) => [hosts.length === 1 ? 'api:3000' : `api-${i + 1}:3000`, host]);
    const upstream = hosts.length === 1 ? 'upstream.simple.conf' : 'upstream.conf';
    copyInto(folder, upstream, Object.fromEntries(names), 'upstream.conf');
    mkdirSync(join(folder, 'certificates'));
    copyFileSync(join(FOLDER, 'self-signed.sh'), join(folder, 'self-signed.sh'));
    const script = join(folder, 'self-signed.sh');
    for (let times = 0; times < 2; times++)
      execFileSync('sh', [script, join(folder, 'certificates')], { stdio: 'ignore' });
    await run(t, program, folder, httpPort);
    return new Nginx(httpPort, port, folder);
  }

  /** Sends a request on its own connection, over TLS. */
  async call(method: string, path: string, call: Call = {}): Promise<Reply> {
    const response = await this.#send(method, path, call);
    const { statusCode: status, headers, rawHeaders } = response;
    return { status, headers, rawHeaders, body: await text(response) };
  }

  /** Opens a live stream, which ends with the test. */
  async stream(t: Test, path: string): Promise<RawStream> {
    const response = await this.#send('GET', path, {});
    t.teardown(() => response.destroy());
    return new RawStream(response);
  }

  async #send(method: string, path: string, { json, body, headers, from }: Call): Promise<IncomingMessage> {
    const sent = json === undefined ? body : JSON.stringify(json);
    const asking = request({
      ...{ host: '127.0.0.1', port: this.port, servername: 'localhost', ca: this.ca, agent: false },
      ...{ method, path, ...(from && { localAddress: from }) },
      headers: {
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(sent !== undefined && { 'content-length': String(Buffer.byteLength(sent)) }),
        ...headers,
      },
    });
    asking.end(sent);
    const [response]: IncomingMessage[] = await once(asking, 'response');
    if (response === undefined) throw new Error('No response');
    response.on('error', () => {});
    return response;
  }
}

/**
 * An nginx that knows nothing of us but a `proxy_pass`, so that the rest is its default.
 * @returns its URL; it ends with the test
 */
export async function startDefaultNginx(t: Test, instance: string): Promise<string> {
  const { program, folder } = prepare();
  const port = await freePort();
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const lines = [
    `pid ${folder}/nginx.pid;`,
    'events {}',
    'http {',
    ...folders.map((name) => `${name}_temp_path ${folder}/${name};`),
    'access_log off;',
    `server { listen 127.0.0.1:${port}; location / { proxy_pass ${instance}; } }`,
    '}',
  ];
  writeFileSync(join(folder, 'nginx.conf'), lines.join('\n'));
  await run(t, program, folder, port);
  return `http://127.0.0.1:${port}`;
}

function prepare(): { program: string; folder: string } {
  const program = findTestProgram('nginx');
  if (program === undefined) throw new Error('Run "npm test", which installs nginx.');
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-nginx-'));
  // Its workers are not root.
  execFileSync('chmod', ['755', folder]);
  return { program, folder };
}

/** Runs the `nginx.conf` of a folder until the test ends. Resolves when the port answers. */
async function run(t: Test, program: string, folder: string, port: number): Promise<void> {
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const log = openSync(join(folder, 'error.log'), 'w');
  const running = spawn(program, [...args, '-g', 'daemon off;'], { stdio: ['ignore', 'ignore', log] });
  t.teardown(async () => {
    await stop(running);
    if (!t.passing()) t.comment(readFileSync(join(folder, 'error.log'), 'utf8'));
    rmSync(folder, { recursive: true, force: true });
  });
  await eventually(() => fetch(`http://127.0.0.1:${port}`, { redirect: 'manual' }), READY_WITHIN_MS);
}

/** @param changes each must occur in the file */
function copyInto(folder: string, name: string, changes: Record<string, string>, as = name): void {
  let content = readFileSync(join(FOLDER, name), 'utf8');
  for (const [from, to] of Object.entries(changes)) {
    if (!content.includes(from)) throw new Error(`${name} has no "${from}"`);
    content = content.replaceAll(from, to);
  }
  writeFileSync(join(folder, as), content);
}

async function stop(running: ChildProcess): Promise<void> {
  if (running.exitCode !== null || running.signalCode !== null) return;
  const exited = once(running, 'exit');
  running.kill('SIGTERM');
  await exited;
}
