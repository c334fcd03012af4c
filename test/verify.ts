import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const VERIFY = fileURLToPath(new URL('../scripts/verify.js', import.meta.url));

/** Runs `npm run verify` as the image does. */
export const verify = (url: string, ...options: string[]) => run(url, [VERIFY, ...options]);

/** The same with a heap that cannot grow beyond this. */
export const verifyWithin = (megabytes: number, url: string) =>
  run(url, [`--max-old-space-size=${megabytes}`, VERIFY]);

async function run(url: string, args: readonly string[]) {
  const env = { PATH: process.env['PATH'], NODE_ENV: 'production', DATABASE_URL: url };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, error, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, out, error };
}
