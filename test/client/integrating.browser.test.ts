import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { build, type Plugin } from 'esbuild';
import { EventSource } from 'eventsource';
import t, { type Test } from 'tap';
import { startApi } from '../api.js';
import { ACTION_TOKEN_SECRET } from '../helper.js';
import { openBrowser, serveSite } from './browser.js';

/** The first code block of a language after a heading, for a service at `url`. */
function snippet(heading: string, language: string, url: string): string {
  const [, text] =
    new RegExp(`^## ${heading}$.*?^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(DOCUMENT) ?? [];
  if (text === undefined) throw new Error(`There is no ${language} under "${heading}"`);
  return text.replaceAll('http://localhost:3000', url);
}
const DOCUMENT = readFileSync('docs/integrating.md', 'utf8');

/** Bundles a script with its imports. */
async function bundle(contents: string, plugins: Plugin[] = []): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: '.' },
    bundle: true,
    write: false,
    format: 'esm',
    plugins,
  });
  return outputFiles[0]?.text ?? '';
}

t.test('the page: a click puts the player on the board', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const page = await (await openBrowser(t)).newPage();
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  const origin = await serveSite(t, {
    '/': { html: snippet('A page with plain JavaScript', 'html', url) },
    '/scoreboard-client.js': {
      html: await bundle("export * from '@scoreboard/client'"),
      headers: { 'content-type': 'text/javascript' },
    },
  });
  await page.goto(origin);
  await page.click('#coin');
  await page.waitForSelector('#board li');
  t.match(await page.textContent('#board li'), /: 10$/);
  t.match(await page.textContent('#status'), /^(You are number 1\.)?$/);
  t.same(problems, []);
});

t.test('the game for Phaser: the points of a round are on the board', async (t) => {
  const { url, app } = await startApi(t);
  const { scene, texts, tick } = fakePhaser(t);
  const phaser: Plugin = {
    name: 'fake Phaser',
    setup(building) {
      building.onResolve({ filter: /^phaser$/ }, () => ({ path: 'phaser', namespace: 'fake' }));
      const loader = { contents: 'export default globalThis.Phaser', loader: 'js' } as const;
      building.onLoad({ filter: /./, namespace: 'fake' }, () => loader);
    },
  };
  const script = await bundle(snippet('Phaser', 'js', url), [phaser]);
  await import(`data:text/javascript;base64,${Buffer.from(script).toString('base64')}`);
  for (let clicks = 0; clicks < 7; clicks++) scene.coin.emit('pointerdown');
  await tick();
  const title = texts.find(({ text }) => /points/.test(text));
  t.equal(title?.text, '7 points. Click for another round.');
  const { rows } = await app.pg.query('SELECT points::int FROM score_events');
  t.same(rows, [{ points: 7 }]);
  scene.events.emit('shutdown');
});

t.test('the game server: a won match counts once', async (t) => {
  const { url, app } = await startApi(t);
  const { id, secret } = await app.serviceAccounts.create('my game', 'server');
  const folder = t.testdir({
    'game-server.mjs': snippet('A game server that mints tokens itself', 'js', url),
  });
  const env = { ...process.env, CLIENT_ID: id, CLIENT_SECRET: secret, ACTION_TOKEN_SECRET };
  for (const _ of ['a player', 'the same player again']) {
    const { stdout } = await promisify(execFile)(process.execPath, ['game-server.mjs'], { cwd: folder, env });
    t.match(stdout, /^Ada has won: .*"action":"win-match","points":250/);
  }
  const { rows } = await app.pg.query('SELECT metadata FROM score_events');
  t.same(rows, [{ metadata: { opponent: 'player-18' } }, { metadata: { opponent: 'player-18' } }]);
  t.equal((await app.pg.query('SELECT FROM scores')).rowCount, 1, 'both of the same player');
});

/** A fake of the part of Phaser that the game uses, without a screen. */
function fakePhaser(t: Test) {
  const events = () => {
    const listeners = new Map<string, () => unknown>();
    return {
      on: (name: string, listener: () => unknown) => void listeners.set(name, listener),
      once: (name: string, listener: () => unknown) => void listeners.set(name, listener),
      emit: (name: string) => listeners.get(name)?.(),
    };
  };
  const coin = { ...events(), setInteractive: () => coin, setPosition: () => coin, destroy: () => {} };
  const texts: { text: string; setText(text: string | string[]): void }[] = [];
  let tick = async (): Promise<unknown> => {
    throw new Error('The game has set no timer');
  };
  const scene = {
    coin,
    events: events(),
    input: events(),
    scene: { restart: () => {} },
    time: {
      delayedCall: (_: number, then: () => Promise<unknown>) => {
        tick = then;
      },
    },
    add: {
      circle: () => coin,
      text: (_x: number, _y: number, text: string) => {
        const shown = {
          text,
          setText(changed: string | string[]) {
            shown.text = String(changed);
          },
        };
        texts.push(shown);
        return shown;
      },
    },
  };
  class Scene {
    constructor() {
      Object.assign(this, scene);
    }
  }
  class Game {
    constructor({ scene: Round }: { scene: new () => { create(): void } }) {
      new Round().create();
    }
  }
  Object.assign(globalThis, { EventSource, Phaser: { Scene, Game, AUTO: 0, Math: { Between: Math.min } } });
  t.teardown(() =>
    ['EventSource', 'Phaser'].forEach((name) => void Reflect.deleteProperty(globalThis, name)),
  );
  return { scene, texts, tick: () => tick() };
}
