import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { pythonPackage } from '../../dev/test-packages.js';
import { newPlayer, startApi } from '../api.js';

/** Schemathesis calls every operation with data that fits its schema and data that does not, as each kind of caller. */

const run = promisify(execFile);
/** How many calls of an operation, beside its examples and the limits of its fields: the same in every run, or a longer hunt. */
const EXAMPLES = process.env['SCHEMATHESIS_EXAMPLES'];
const data = EXAMPLES === undefined ? ['-n', '5', '--seed', '7'] : ['-n', EXAMPLES];

// Python takes its time, most of all beside other tests.
t.setTimeout(600_000);

t.test('what the document says is so, for a player, a game server and an administrator', async (t) => {
  const programs = await pythonPackage('schemathesis==4.32.5');
  const { app, api, url } = await startApi(t, { LOG_LEVEL: 'silent' });
  const { session } = await newPlayer(api);
  const tokenOf = async (role: 'server' | 'admin') =>
    app.accessTokens.issue({ sub: (await app.serviceAccounts.create(role, role)).id, role }).token;
  const callers = {
    player: session.accessToken,
    server: await tokenOf('server'),
    admin: await tokenOf('admin'),
  };
  const cwd = t.testdir({});
  const call = async ([role, token]: [role: string, token: string]) => {
    const { stdout } = await run(
      join(programs, 'schemathesis'),
      [
        ...['run', `${url}/openapi.json`, '--no-color', '--continue-on-failure', '--no-shrink', ...data],
        // A stream does not end, so no call of one does.
        ...[
          '--exclude-operation-id',
          'streamLeaderboard',
          '--exclude-operation-id',
          'streamLeaderboards',
          '--phases',
          'examples,coverage,fuzzing',
        ],
        ...['--checks', 'all', '--exclude-checks', 'positive_data_acceptance,negative_data_rejection'],
      ],
      {
        env: {
          ...process.env,
          ...{ SCHEMATHESIS_HOOKS: 'hooks', PYTHONPATH: resolve('test/openapi') },
          ...{ SCOREBOARD_URL: url, SCOREBOARD_TOKEN: token, SCOREBOARD_ROLE: role },
        },
        timeout: 600_000,
        maxBuffer: 2 ** 26,
        cwd,
      },
    ).catch((error: { stdout: string }) => error);
    // Every fault with the request that shows it.
    const [, faults = ''] = /(=+ (?:ERRORS|FAILURES) .*?)=+ (?:WARNINGS|SUMMARY)/s.exec(stdout) ?? [];
    t.equal(faults, '', role);
    t.match(stdout, /Test cases:\n +\d{3,} generated, \d{3,} passed/, role);
  };
  await Promise.all(Object.entries(callers).map(call));
});
