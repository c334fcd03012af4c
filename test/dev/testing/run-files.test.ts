import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { relative } from 'node:path';
import t, { type Test } from 'tap';
import { type FileResult, runFiles } from '../../../dev/testing/run-files.js';

const TAP = JSON.stringify(import.meta.resolve('tap'));

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

t.test('each file is run by itself, and its seconds are kept', async (t) => {
  const results = await run(t, {
    'good.test.js': `import t from ${TAP}; t.pass('fine'); console.error('a warning');`,
    'bad.test.js': `import t from ${TAP}; t.pass('fine'); t.equal(1, 2, 'the same');`,
  });
  t.match(results.get('good.test.js'), { passed: 1, failed: 0, errors: 'a warning\n', seconds: Number });
  t.match(results.get('bad.test.js'), { passed: 1, failed: 1, failures: [/^the same\n/] });
});

t.test('a file fails that ends with a code, by a signal, or without a test', async (t) => {
  const results = await run(t, {
    'code.test.js': `import t from ${TAP}; t.pass(); process.on('exit', () => { process.exitCode = 3; });`,
    'signal.test.js': `process.kill(process.pid, 'SIGKILL');`,
    'nothing.test.js': '',
    'missing.test.js': `import 'no-such-package';`,
  });
  t.match(results.get('code.test.js'), { passed: 1, failed: 1, failures: ['exit code 3'] });
  t.match(results.get('signal.test.js'), { failed: 1, failures: ['ended by SIGKILL'] });
  t.match(results.get('nothing.test.js'), { failed: 1, failures: ['no tests'] });
  t.match(results.get('missing.test.js'), { failed: 1, errors: /Cannot find package 'no-such-package'/ });
});

t.test('what a file has started ends with it', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const connected: Promise<Socket[]> = once(server, 'connection');
  await run(t, {
    'leaves.test.js': `import { spawn } from 'node:child_process'; import { once } from 'node:events'; import t from ${TAP};
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
  const waits = `import t from ${TAP}; t.test('waits', () => new Promise((resolve) => setTimeout(resolve, 60_000)));`;
  const names = Array.from({ length: 20 }, (_, i) => `${i}.test.js`);
  const running = run(t, Object.fromEntries(names.map((name) => [name, waits])), interrupt.signal);
  setTimeout(() => interrupt.abort(), 500);
  const results = await running;
  t.ok(results.size < names.length);
  for (const { failed } of results.values()) t.not(failed, 0);
});
