import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import t from 'tap';
import { Environment, loadConfig } from '../src/config.js';
import { StartError } from '../src/start-error.js';
import { freshCheckout } from './checkout.js';
import { NpmScript } from './npm-script.js';
import { asShown, fencesOf } from './shown.js';

/** A ceiling after which an event is missing. */
const HANG_UP_MS = 15_000;
const README = readFileSync('README.md', 'utf8');
const SCRIPTS: Record<string, string> = JSON.parse(readFileSync('package.json', 'utf8')).scripts;

/**
 * The code blocks: `bash` is run here, the first one in its own shell, where it watches; `json` is the output of the `bash`
 * block before it, `text` an event that the watcher receives, `js` a file to save. Of `sh`, only `npm start` is run.
 */
const FENCES = fencesOf(README);
const fenced = (language: string) =>
  FENCES.filter((fence) => fence.language === language).map(({ text }) => text);

t.test('the commands of the README work as described', async (t) => {
  const folder = freshCheckout(t);
  const [, file = ''] = /Save this as `(.+)`:/.exec(README) ?? [];
  writeFileSync(join(folder, file), fenced('js').join(''));
  // With the packages of this checkout in place of `npm ci`.
  t.equal(fenced('sh')[0], 'npm ci && npm start\n');
  const service = new NpmScript(t, folder, 'start');
  const [url] = await service.prints(/http:\/\/localhost:\d+/);
  const env = { PATH: process.env['PATH'] };
  const [watch = '', ...steps] = fenced('bash').map((text) => text.replaceAll(URL_SHOWN, url));
  const [snapshot = '', ...changes] = fenced('text');

  const watcher = spawn('bash', ['-c', `exec ${watch}`], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => watcher.kill());
  const events = eventsIn(watcher.stdout.setEncoding('utf8'));
  const isShown = async (event: string) => {
    const hangUp = setTimeout(() => watcher.kill(), HANG_UP_MS);
    t.ok(await comes(event, events), `the watcher is shown ${event}`);
    clearTimeout(hangUp);
  };
  await isShown(snapshot);

  const script = steps.map((step) => `${step}printf '\\036'\n`).join('');
  const shell = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { env, cwd: folder });
  const outputs = ['', ...shell.stdout.split('\x1e')];
  let output: string | undefined;
  for (const { language, text } of FENCES) {
    if (language === 'bash') output = outputs.shift();
    if (language === 'json') t.same(...asShown(JSON.parse(output ?? ''), JSON.parse(text)));
  }
  for (const change of changes) await isShown(change);
});

t.test('the table of variables in the README is that of src/config.ts', async (t) => {
  const rows = [...README.matchAll(/^\| `(\w+)`( \*)? \| (.+?) \|/gm)];
  t.same(
    rows.map(([, name]) => name),
    Object.keys(Environment.properties),
    'the same variables, in the same order',
  );
  for (const [name, schema] of Object.entries(Environment.properties)) {
    const [, , , shown] = rows.find((row) => row[1] === name) ?? [];
    const value = schema.default === '' ? undefined : schema.default;
    t.equal(/^`(.*)`$/.exec(shown ?? '')?.[1], value?.toString(), `the default of ${name}`);
  }
  const starred = rows.flatMap(([, name, star]) => (star ? name : []));
  t.same(starred.sort(), missingInProduction().sort(), 'a star where production needs a value');
});

t.test('every script, file and link in the documents exists', async (t) => {
  const decisions = readdirSync('docs/adr').map((name) => join('docs/adr', name));
  for (const document of [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'SECURITY.md',
    '.github/PULL_REQUEST_TEMPLATE.md',
    'docs/deploying.md',
    'docs/packages.md',
    'docs/seasons.md',
    'docs/security.md',
    ...decisions,
  ]) {
    const text = readFileSync(document, 'utf8');
    for (const [, script = ''] of text.matchAll(/npm run (?:--silent )?([\w:-]+)/g)) {
      t.ok(script in SCRIPTS, `${document}: npm run ${script}`);
    }
    for (const [, path = ''] of text.matchAll(
      /`((?:src|plugins|routes|schemas|scripts|test|docs)\/[\w./-]*)`/g,
    )) {
      t.ok(existsSync(path), `${document}: ${path}`);
    }
    for (const [, path = ''] of text.matchAll(/\]\((?!\w+:)([^)#]+)/g)) {
      t.ok(existsSync(join(dirname(document), path)), `${document}: ${path}`);
    }
  }
});

const URL_SHOWN = 'http://localhost:3000';

/** The server-sent events in a stream, as they arrive. */
async function* eventsIn(stream: Iterable<string> | AsyncIterable<string>) {
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  for await (const chunk of stream) {
    parser.feed(chunk);
    yield* events.splice(0);
  }
}

/** Waits for an event like the one shown. False if the stream ends before. */
async function comes(shown: string, events: ReturnType<typeof eventsIn>): Promise<boolean> {
  const { value: expected } = await eventsIn([`${shown}\n`]).next();
  for (;;) {
    const { value } = await events.next();
    if (!value || !expected) return false;
    const data = asShown(JSON.parse(value.data), JSON.parse(expected.data));
    if (value.event === expected.event && isDeepStrictEqual(...data)) return true;
  }
}

function missingInProduction(): string[] {
  try {
    loadConfig({ NODE_ENV: 'production' });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return [...error.message.matchAll(/- (\w+) is missing/g)].map(([, name = '']) => name);
  }
  return [];
}
