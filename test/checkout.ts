import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Test } from 'tap';

/** The files of this checkout that git has, or would add. */
export const checkoutFiles = (): string[] =>
  execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
    .split('\0')
    .filter((file) => file !== '');

/** A folder like a fresh clone after `npm ci`: with the packages of this checkout, and nothing built. */
export function freshCheckout(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-checkout-'));
  t.teardown(() => rmSync(folder, { recursive: true, maxRetries: 10 }));
  for (const file of checkoutFiles()) cpSync(file, join(folder, file));
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  return folder;
}
