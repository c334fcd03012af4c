import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ensureTestProgram, findTestProgram } from '../../dev/test-program.js';
import { StartError } from '../../src/start-error.js';

/** A machine whose only programs are small scripts. Each writes down how it was called. */
function machine(t: Test, programs: Record<string, string>, isRoot = true) {
  const root = t.testdir({ bin: {}, elsewhere: {} });
  const calls = join(root, 'calls');
  const add = (folder: string, name: string, script: string) => {
    const file = join(root, folder, name);
    writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> ${calls}\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  // What an installation leaves behind.
  const install = (name: string) => `/bin/cp ${add('.', `${name}.new`, '')} ${join(root, 'elsewhere', name)}`;
  for (const [name, script] of Object.entries(programs))
    add(
      'bin',
      name,
      script.replace(/^install (.*)$/m, (_, program: string) => install(program)),
    );
  const lines: string[] = [];
  return {
    at: (folder: string, name: string) => join(root, folder, name),
    add,
    lines,
    calls: () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []),
    machine: {
      path: ['', join(root, 'missing'), join(root, 'bin')].join(':'),
      elsewhere: [join(root, 'elsewhere')],
      isRoot,
      log: (line: string) => lines.push(line),
    },
  };
}

/** `sudo` that asks for no password, and one that would. */
const SUDO = '[ "$1" = -n ] && shift\nPATH="$PATH:/usr/bin:/bin" exec "$@"';
const QUIETLY = 'DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1';
const SUDO_ASKS = 'exit 1';

t.test('a server that is there is taken, and nothing installed', async (t) => {
  for (const [folder, name] of [
    ['bin', 'redis-server'],
    ['bin', 'valkey-server'],
    ['elsewhere', 'redis-server'],
    ['elsewhere', 'valkey-server'],
  ] as const) {
    const { machine: here, add, calls } = machine(t, { 'apt-get': '' });
    const file = add(folder, name, '');
    t.equal(findTestProgram('redis-server', here), file);
    t.equal(ensureTestProgram('redis-server', here), file);
    t.same(calls(), []);
  }
});

t.test('the server that is asked for is taken, whatever is on PATH', async (t) => {
  const { machine: here, at, add } = machine(t, { 'redis-server': '', 'apt-get': '' });
  const redisServer = add('elsewhere', 'valkey-server', '');
  for (const find of [findTestProgram, ensureTestProgram]) {
    t.equal(find('redis-server', { ...here, redisServer }), redisServer);
    t.equal(find('redis-server', here), at('bin', 'redis-server'));
    t.throws(() => find('redis-server', { ...here, redisServer: at('bin', 'none') }), StartError);
  }
});

t.test('what only looks like a server is not taken', async (t) => {
  const { machine: here, at } = machine(t, {});
  writeFileSync(at('bin', 'redis-server'), 'no program');
  mkdirSync(at('bin', 'valkey-server'));
  t.equal(findTestProgram('redis-server', here), undefined);
});

t.test('one is installed with the package manager of the system', async (t) => {
  const cases: [programs: Record<string, string>, server: string, calls: string[]][] = [
    [
      { 'apt-get': '[ "$1" = update ] && exit\ninstall redis-server' },
      'redis-server',
      ['apt-get update', 'apt-get install -y --no-install-recommends redis-server'],
    ],
    [{ apk: 'install redis-server' }, 'redis-server', ['apk add redis']],
    [{ dnf: 'install redis-server' }, 'redis-server', ['dnf install -y redis']],
    [
      { dnf: '[ "$3" = redis ] && exit 1\ninstall valkey-server' },
      'valkey-server',
      ['dnf install -y redis', 'dnf install -y valkey'],
    ],
    [{ brew: 'install redis-server' }, 'redis-server', ['brew install redis']],
  ];
  for (const [programs, server, expected] of cases) {
    const asRoot = machine(t, programs);
    t.equal(ensureTestProgram('redis-server', asRoot.machine), asRoot.at('elsewhere', server));
    t.same(asRoot.calls(), expected);
    t.equal(asRoot.lines.length, 1, 'it says what it does');
    // As an ordinary user, with sudo where it takes root; brew refuses to run as root.
    const asUser = machine(t, { ...programs, sudo: SUDO }, false);
    t.equal(ensureTestProgram('redis-server', asUser.machine), asUser.at('elsewhere', server));
    const withSudo = expected.flatMap((call) => [`sudo -n env ${QUIETLY} ${call}`, call]);
    t.same(asUser.calls(), 'brew' in programs ? expected : ['sudo -n true', ...withSudo]);
  }
});

t.test('promtool comes with the package of Prometheus', async (t) => {
  const cases: [manager: string, calls: string[]][] = [
    ['apt-get', ['apt-get update', 'apt-get install -y --no-install-recommends prometheus']],
    ['apk', ['apk add prometheus']],
    ['dnf', ['dnf install -y golang-github-prometheus']],
    ['brew', ['brew install prometheus']],
  ];
  for (const [manager, expected] of cases) {
    for (const program of ['prometheus', 'promtool'] as const) {
      const {
        machine: here,
        at,
        calls,
      } = machine(t, {
        [manager]: `[ "$1" = update ] && exit\ninstall ${program}`,
      });
      t.equal(ensureTestProgram(program, here), at('elsewhere', program));
      t.same(calls(), expected);
    }
  }
});

t.test('where the name of a package is not known, nothing is installed', async (t) => {
  const { machine: here, calls } = machine(t, { dnf: 'install nunit-console' });
  t.throws(() => ensureTestProgram('nunit-console', here), { message: /install NUnit 2\.6 for Mono/ });
  t.same(calls(), []);
});

t.test('an installation asks nothing, and starts no service', async (t) => {
  const { machine: here, calls } = machine(t, {
    'apt-get': '[ "$1" = update ] && exit\nshow $DEBIAN_FRONTEND $SYSTEMD_OFFLINE\ninstall promtool',
    show: '',
  });
  ensureTestProgram('promtool', here);
  t.ok(calls().includes('show noninteractive 1'));
});

t.test('where nothing may be installed it stops with the one command to run', async (t) => {
  const fails = (programs: Record<string, string>, isRoot: boolean, message: RegExp) => {
    const { machine: here, calls } = machine(t, programs, isRoot);
    t.throws(() => ensureTestProgram('redis-server', here), { name: StartError.name, message });
    return calls();
  };
  const apt = { 'apt-get': 'exit 100' };
  const byHand = /run: sudo apt-get update && sudo apt-get install -y --no-install-recommends redis-server$/;
  t.same(
    fails({ ...apt, sudo: SUDO_ASKS }, false, byHand),
    ['sudo -n true'],
    'a password would be asked for',
  );
  t.same(fails(apt, false, byHand), [], 'there is no sudo');
  t.same(
    fails(apt, true, /run: apt-get update && apt-get install -y --no-install-recommends redis-server$/),
    ['apt-get update'],
  );
  t.same(fails({ apk: '' }, true, /run: apk add redis$/), ['apk add redis'], 'it says it did, and did not');
  fails({ dnf: '' }, false, /run: sudo dnf install -y redis \|\| sudo dnf install -y valkey$/);
  fails({}, true, /install Redis 7 or Valkey, so that redis-server or valkey-server is on PATH$/);
  t.throws(() => ensureTestProgram('prometheus', machine(t, {}).machine), {
    message:
      'The tests need Prometheus, and there is none here: install Prometheus 2.42 or newer, so that prometheus and promtool are on PATH',
  });
});
