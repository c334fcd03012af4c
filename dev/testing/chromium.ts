import type { LaunchOptions } from 'playwright-core';
import { ensureTestProgram } from '../test-program.js';

/** How tests start Chromium: headless, and without what a browser does by itself. */
export const chromiumOptions = (): LaunchOptions => ({
  executablePath: ensureTestProgram('chromium'),
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
  timeout: 120_000,
});
