import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { AdminSession } from '../../schemas/administrator.js';
import { codeOf } from '../administrators.js';
import { startApi } from '../api.js';
import { JWT_SECRET } from '../helper.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/admin.js', import.meta.url));

const { api, app, config } = await startApi(t);

/** Runs `npm run admin` as the image does. */
async function admin(args: string[], more: Record<string, string> = {}) {
  const env = { NODE_ENV: 'production', DATABASE_URL: config.DATABASE_URL, JWT_SECRET, ...more };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, ...args], { env });
    return { code: 0, out: stdout };
  } catch (error) {
    if (!(error instanceof Error && 'stderr' in error && 'code' in error)) throw error;
    return { code: error.code, out: String(error.stderr) };
  }
}

function credentialsIn(out: string) {
  const [, password = ''] = /^ {2}password +(\S+)$/m.exec(out) ?? [];
  const [, uri = ''] = /^ {2}for the app +(otpauth:\S+)$/m.exec(out) ?? [];
  return { password, uri, recoveryCodes: out.match(/\b[2-9a-hjkmnp-z]{5}-[2-9a-hjkmnp-z]{5}$/gm) ?? [] };
}

const logIn = (name: string, password: string, code: string) =>
  api.post('/v1/admin/session', { name, password, code });

t.test('an operator makes, lists, resets and disables people who administer', async (t) => {
  t.equal((await admin(['list'])).out, 'There is no administrator yet.\n');
  const made = await admin(['create', 'ada', '--role', 'moderator']);
  t.equal(made.code, 0, made.out);
  const first = credentialsIn(made.out);
  t.equal(first.recoveryCodes.length, 10);
  t.match(first.uri, /^otpauth:\/\/totp\/scoreboard-api:ada\?issuer=scoreboard-api&secret=[A-Z2-7]{32}&/);
  const { role } = (await logIn('ada', first.password, codeOf(first.uri))).is(201, AdminSession);
  t.equal(role, 'moderator');
  t.match((await admin(['create', 'Ada', '--role', 'admin'])).out, /already/);
  t.match(
    (await admin(['list'])).out,
    /^adm_\w+ {2}moderator {2}\S+ {2}in force {2}seen \S+ {2}10 recovery codes {2}ada\n$/,
  );
  const second = credentialsIn((await admin(['reset', 'ada'])).out);
  (await logIn('ada', first.password, codeOf(second.uri))).fails('invalid-credentials');
  (await logIn('ada', second.password, codeOf(second.uri))).is(201, AdminSession);
  t.match((await admin(['disable', 'ada'])).out, /is disabled; all its sessions have ended/);
  (await logIn('ada', second.password, codeOf(second.uri, 30_000))).fails('invalid-credentials');
  t.match((await admin(['list'])).out, / disabled /);
  const { rows } = await app.pg.pool.query('SELECT action, actor, details FROM admin_audit ORDER BY id');
  t.match(rows, [
    { action: 'create-administrator', actor: 'operator', details: { name: 'ada', role: 'moderator' } },
    { action: 'reset-administrator', actor: 'operator' },
    { action: 'disable-administrator', actor: 'operator' },
  ]);
});

t.test('what makes no sense is refused, with one line or with the usage', async (t) => {
  for (const args of [
    [],
    ['create', 'bob'],
    ['create', 'b b', '--role', 'admin'],
    ['create', 'bob', '--role', 'server'],
    ['drop', 'bob'],
  ]) {
    const { code, out } = await admin(args);
    t.equal(code, 1);
    t.match(out, /^Usage: npm run admin/, args.join(' '));
  }
  t.match((await admin(['reset', 'bob'])).out, /^There is no administrator "bob"\.\n$/);
  t.match((await admin(['list'], { JWT_SECRET: '' })).out, /JWT_SECRET/);
});
