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
const GUIDE = readFileSync('docs/integrating.md', 'utf8');
const [MONITOR = ''] = /^## Monitor$.*?(?=^## )/ms.exec(readFileSync('docs/operations.md', 'utf8')) ?? [];
/** What is tried after the guide, in its order, each in a shell of its own. */
const PAGES = [
  readFileSync('docs/game-server.md', 'utf8'),
  readFileSync('docs/importing.md', 'utf8'),
  MONITOR,
];

/**
 * Of the code blocks, `bash` is run here, the first one of the guide in its own shell, where it watches; `json` is the output of the
 * `bash` block before it, `text` an event that the watcher receives.
 */
const fenced = (document: string, language: string) =>
  fencesOf(document)
    .filter((fence) => fence.language === language)
    .map(({ text }) => text);

t.test('the commands of the README and of the guide work as described', async (t) => {
  const folder = freshCheckout(t);
  // With the packages of this checkout in place of `npm ci`.
  t.equal(fenced(README, 'sh')[0], 'npm ci\nnpm start\n');
  const service = new NpmScript(t, folder, 'start');
  const [url] = await service.prints(/http:\/\/localhost:\d+/);
  const env = { PATH: process.env['PATH'] };
  const here = (document: string) => document.replaceAll(URL_SHOWN, url);
  const [watch = ''] = fenced(here(GUIDE), 'bash');
  const [snapshot = '', ...changes] = fenced(GUIDE, 'text');

  const watcher = spawn('bash', ['-c', `exec ${watch}`], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => watcher.kill());
  const events = eventsIn(watcher.stdout.setEncoding('utf8'));
  const isShown = async (event: string) => {
    const hangUp = setTimeout(() => watcher.kill(), HANG_UP_MS);
    t.ok(await comes(event, events), `the watcher is shown ${event}`);
    clearTimeout(hangUp);
  };
  await isShown(snapshot);

  const follow = async (document: string) => {
    const fences = fencesOf(here(document)).filter(({ text }) => text !== watch);
    for (const [, file = '', text = ''] of here(document).matchAll(SAVED_FILE))
      writeFileSync(join(folder, file), text);
    const steps = fences.filter(({ language }) => language === 'bash').map(({ text }) => text);
    const script = steps.map((step) => `${step}printf '\\036'\n`).join('');
    const shell = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { env, cwd: folder });
    const outputs = shell.stdout.split('\x1e');
    let output: string | undefined;
    for (const { language, text } of fences) {
      if (language === 'bash') output = outputs.shift();
      if (language === 'json') t.same(...asShown(JSON.parse(output ?? ''), JSON.parse(text)));
    }
  };
  await follow(GUIDE);
  for (const change of changes) await isShown(change);
  for (const page of PAGES) await follow(page);
});

t.test('the table of variables is that of src/config.ts', async (t) => {
  const table = readFileSync('docs/configuration.md', 'utf8');
  const rows = [...table.matchAll(/^\| `(\w+)`( \*)? \| (.+?) \|/gm)];
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
    'client/README.md',
    'clients/godot/README.md',
    'clients/unity/README.md',
    'docs/boards.md',
    'docs/configuration.md',
    'docs/deploying.md',
    'docs/engines.md',
    'docs/game-server.md',
    'docs/importing.md',
    'docs/integrating.md',
    'docs/moderation.md',
    'docs/packages.md',
    'docs/seasons.md',
    'docs/security.md',
    'docs/web-game.md',
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
const SAVED_FILE = /Save this as `([^`]+)`:\n\n```\w+\n(.*?)^```$/gms;

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
