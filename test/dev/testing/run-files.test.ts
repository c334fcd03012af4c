import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { relative } from 'node:path';
import t, { type Test } from 'tap';
import { type FileResult, runFiles } from '../../../dev/testing/run-files.js';

/** Runs files with these contents, as they stand in dist/. @returns what each came to, by its name */
async function run(t: Test, contents: Record<string, string>, signal = new AbortController().signal) {
  const folder = relative('dist', t.testdir(contents));
  const results = new Map<string, FileResult>();
  const files = Object.keys(contents).map((name) => ({ path: `${folder}/${name}`, kind: 'unit' }) as const);
  await runFiles(files, {
    envOf: () => process.env,
    signal,
    onResult: (result) => results.set(result.path.slice(folder.length + 1), result),
  });
  return results;
}

t.test('the results, the output and the seconds of each file are kept', async (t) => {
  const results = await run(t, {
    'good.test.js': `import t from 'tap'; t.pass('fine'); console.error('a warning');`,
    'bad.test.js': `import t from 'tap'; t.pass('fine'); t.equal(1, 2, 'the same');`,
  });
  t.match(results.get('good.test.js'), { passed: 1, failed: 0, errors: 'a warning\n', seconds: Number });
  t.match(results.get('bad.test.js'), { passed: 1, failed: 1, failures: [/^the same\n/] });
});

t.test('a file fails that ends its process with a code or by a signal, or has no test', async (t) => {
  const outcomeOf = async (content: string) => (await run(t, { 'a.test.js': content })).get('a.test.js');
  const code = `import t from 'tap'; t.pass(); process.on('exit', () => { process.exitCode = 3; });`;
  t.match(await outcomeOf(code), { passed: 1, failed: 1, failures: ['exit code 3'] });
  t.match(await outcomeOf(`process.kill(process.pid, 'SIGKILL');`), {
    failed: 1,
    failures: [/cut off|SIGKILL/],
  });
  t.match(await outcomeOf(''), { failed: 1, failures: ['no tests'] });
  t.match(await outcomeOf(`import 'no-such-package';`), {
    failed: 1,
    failures: [/Cannot find package 'no-such-package'/],
  });
});

t.test('files of one kind share processes, until one of them fails', async (t) => {
  const says = `import t from 'tap';
    t.comment(process.pid);
    t.comment(globalThis.open = (globalThis.open ?? 0) + 1, 'is open');
    t.teardown(() => globalThis.open--);`;
  const names = ['1', '2', '3', '4', '5', '6', '7', '8'].map((n) => `${n}.test.js`);
  const contents = names.map((name, i) => [name, `${says} t.ok(${i !== 4});`]);
  const results = await run(t, Object.fromEntries(contents));
  const processes = new Map(names.map((name) => [name, results.get(name)?.remarks[0]]));
  t.ok(new Set(processes.values()).size < names.length);
  const ofFailed = processes.get('5.test.js');
  t.notOk(['6.test.js', '7.test.js', '8.test.js'].some((name) => processes.get(name) === ofFailed));
  for (const { remarks } of results.values())
    t.equal(remarks[1], '# 1 is open', 'teardowns are done before the next file begins');
});

t.test('what a process has started ends with it', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const connected: Promise<Socket[]> = once(server, 'connection');
  await run(t, {
    'leaves.test.js': `import { spawn } from 'node:child_process'; import { once } from 'node:events'; import t from 'tap';
      const connects = "require('net').connect(${port}, '127.0.0.1', () => console.log('connected'))";
      const child = spawn(process.execPath, ['-e', connects], { stdio: ['ignore', 'pipe', 'ignore'] });
      await once(child.stdout, 'data');
      child.unref();
      child.stdout.destroy();
      t.pass();`,
  });
  const [socket] = await connected;
  socket?.on('error', () => {}).resume();
  if (socket?.closed === false) await once(socket, 'close');
  t.ok(socket?.closed);
});

t.test('an interrupt stops what runs, and starts nothing more', async (t) => {
  const interrupt = new AbortController();
  const waits = `import t from 'tap'; t.test('waits', () => new Promise((resolve) => setTimeout(resolve, 60_000)));`;
  const names = Array.from({ length: 20 }, (_, i) => `${i}.test.js`);
  const running = run(t, Object.fromEntries(names.map((name) => [name, waits])), interrupt.signal);
  setTimeout(() => interrupt.abort(), 500);
  const results = await running;
  t.ok(results.size < names.length);
  for (const { failed } of results.values()) t.not(failed, 0);
});
