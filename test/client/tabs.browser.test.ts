import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import t from 'tap';
import { startApi } from '../api.js';
import { openBrowser, serveSite } from './browser.js';
import { FaultyProxy } from './faulty-proxy.js';

/** A page with a global `client` of the service at `baseUrl`. */
async function pageFor(baseUrl: string) {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { createClient } from '@scoreboard/client';
        window.client = createClient({ baseUrl: '${baseUrl}' });`,
      resolveDir: '.',
    },
    bundle: true,
    write: false,
  });
  return { html: `<!doctype html><script>${outputFiles[0]?.text}</script>` };
}

t.test('a frame without storage and locks can still play', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const origin = await serveSite(t, {
    '/': { html: '<!doctype html><iframe sandbox="allow-scripts" src="/game"></iframe>' },
    '/game': await pageFor(url),
  });
  const page = await (await openBrowser(t)).newPage();
  await page.goto(origin);
  const [, frame] = page.frames();
  const points = "client.performAction('collect-coin').then(({ points }) => points)";
  t.equal(await frame?.evaluate(points), 10);
});

t.test('a tab waits a minute for the session and no longer, and a logout ends it in any case', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const origin = await serveSite(t, { '/': await pageFor(url) });
  const context = await (await openBrowser(t)).newContext();
  const [frozen, page] = [await context.newPage(), await context.newPage()];
  await page.clock.install();
  for (const tab of [frozen, page]) await tab.goto(origin);
  await page.evaluate('client.guest().then(() => 0)');
  await frozen.evaluate(
    `new Promise((held) => void navigator.locks.request('scoreboard:${url}:session', () => new Promise(held)))`,
  );
  await page.evaluate('globalThis.outcome = client.guest().catch(({ code }) => code), 0');
  await page.clock.fastForward(61_000);
  t.equal(await page.evaluate('outcome'), 'unreachable');
  await page.evaluate('globalThis.outcome = client.logout().then(() => client.user), 0');
  await page.clock.fastForward(61_000);
  t.equal(await page.evaluate('outcome'), null);
});

t.test('two tabs share a session, refresh it once, and send the actions of a closed tab', async (t) => {
  const { url, app } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const proxy = await FaultyProxy.open(t, url);
  const origin = await serveSite(t, { '/': await pageFor(proxy.url) });
  const context = await (await openBrowser(t)).newContext();
  const open = async () => {
    const page = await context.newPage();
    await page.goto(origin);
    return page;
  };
  const rename = (page: Page) =>
    page.evaluate("Promise.all(['A', 'B', 'C'].map((name) => client.rename(name))).then(([{ id }]) => id)");
  const tabs = [await open(), await open()] as const;
  await tabs[0].evaluate('client.guest().then(() => 0)');
  for (const refreshes of [1, 2, 3]) {
    await tabs[0].evaluate(`for (const [name, text] of Object.entries(localStorage))
      if (name.endsWith('session')) localStorage[name] = JSON.stringify({ ...JSON.parse(text), refreshAt: 0 })`);
    const [one, other] = await Promise.all(tabs.map(rename));
    t.equal(one, other, 'one player');
    t.equal(proxy.requests['/v1/auth/refresh'], refreshes);
  }

  proxy.isDown = true;
  await tabs[0].evaluate("void client.performAction('collect-coin')");
  await tabs[0].waitForFunction('client.pending.length === 1');
  await tabs[0].reload();
  t.equal(await tabs[0].evaluate('client.pending.length'), 1, 'the action survives a reload');
  const third = await open();
  await tabs[0].close();
  proxy.isDown = false;
  await third.waitForFunction('client.pending.length === 0', undefined, { timeout: 60_000 });
  const { rows } = await app.pg.query('SELECT points::int FROM score_events');
  t.same(rows, [{ points: 10 }]);
});
