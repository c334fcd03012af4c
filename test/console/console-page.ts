import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { Test } from 'tap';
import type { AdminRole } from '../../schemas/administrator.js';
import { codeOf, newAdministrator } from '../administrators.js';
import { serviceApi } from '../api.js';
import { CEILING, startFanSite } from '../client/fan-site.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Visitor extends BrowserContextOptions {
  readonly role?: AdminRole;
  /** Where the visit begins, below `/admin`. */
  readonly path?: string;
}

/** The service with its console, and pages of people who have logged in. */
export async function startConsole(t: Test) {
  const site = await startFanSite(t);
  const admin = await serviceApi(site, 'admin');
  return {
    ...site,
    admin,
    /** Opens the console and logs somebody in by the keyboard. */
    visitConsole: async (t: Test, { role = 'admin', path = '', ...options }: Visitor = {}) => {
      const person = await newAdministrator(site, role);
      const page = await site.open(t, `${site.url}/admin${path}`, { reducedMotion: 'reduce', ...options });
      await page.locator('#login-name').waitFor(CEILING);
      await page.keyboard.type(person.name);
      await page.keyboard.press('Tab');
      await page.keyboard.type(person.password);
      await page.keyboard.press('Tab');
      await page.keyboard.type(codeOf(person.uri));
      await page.keyboard.press('Enter');
      await page.locator('#content h1').waitFor(CEILING);
      return { page, person };
    },
  };
}

/** What axe objects to. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found: { violations: { id: string; nodes: { html: string }[] }[] } = await page.evaluate('axe.run()');
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`);
}

/** The message that was said last. */
export const toast = (page: Page, text: string) => page.locator('.toast').getByText(text).waitFor(CEILING);
