import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';
import { chromiumOptions } from '../../dev/testing/chromium.js';

/** Given by dev/testing/servers.ts: the browser of the run. */
const SHARED = process.env['TEST_CHROMIUM_URL'];

/** A headless Chromium: that of the run, where a test sees only its own pages, or one for this test alone. */
export async function openBrowser(t: Test): Promise<Browser> {
  const browser = SHARED ? await chromium.connect(SHARED) : await chromium.launch(chromiumOptions());
  t.teardown(() => browser.close());
  return browser;
}

export interface SitePage {
  readonly html: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A site on another origin, with `pages` by path. @returns its origin */
export async function serveSite(t: Test, pages: Readonly<Record<string, SitePage>>): Promise<string> {
  const server = createServer((request, response) => {
    const page = pages[new URL(request.url ?? '/', 'http://site').pathname];
    if (page === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...page.headers }).end(page.html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

const SCREENSHOTS = 'client/screenshots';

/** Saves a screenshot of a page for people to look at. @returns its file */
export async function keepScreenshot(page: Page, name: string): Promise<string> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const path = `${SCREENSHOTS}/${name}.png`;
  await page.screenshot({ path });
  return path;
}
