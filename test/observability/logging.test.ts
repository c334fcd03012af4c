import { spawnSync } from 'node:child_process';
import t from 'tap';

const LOGGING = new URL('../../src/observability/logging.js', import.meta.url).href;

/** What a process writes that logs like the service. */
function outputOf(script: string): { text: string; lines: { message: string; data?: unknown }[] } {
  const source = `
    import { writeSync } from 'node:fs';
    import { createLogger } from ${JSON.stringify(LOGGING)};
    const log = createLogger({ LOG_LEVEL: 'info', SERVICE_NAME: 'test' });
    ${script}`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
  });
  t.equal(status, 0);
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  return { text: stdout, lines: lines.map((line) => JSON.parse(line)) };
}

t.test('lines of one turn of the event loop go out together, at its end', async (t) => {
  const { text } = outputOf(`
    log.info('one');
    log.info('two');
    writeSync(1, 'in the same turn\\n');
    setImmediate(() => setImmediate(() => writeSync(1, 'later\\n')));`);
  t.match(text, /^in the same turn\n.*"one".*\n.*"two".*\nlater\n$/);
});

t.test('no line is lost when the process exits in the turn that logs', async (t) => {
  t.same(
    outputOf(`log.info('last'); process.exit(0);`).lines.map(({ message }) => message),
    ['last'],
  );
  const many = outputOf(
    `for (let i = 0; i < 5_000; i++) log.info({ data: { i } }, 'line'); process.exit(0);`,
  );
  t.same(
    many.lines.map(({ data }) => data),
    Array.from({ length: 5_000 }, (_, i) => ({ i })),
  );
});

t.test('whatever is logged besides stands in data', async (t) => {
  const { lines } = outputOf(`
    log.info({ userId: 'usr_1', data: { a: 1 } }, 'ours');
    log.info({ data: { a: 1 }, b: 2 }, 'more');
    log.info({ data: 7 }, 'a number');
    log.info({ req: { headers: { authorization: 'secret' } } }, 'a request');`);
  t.match(lines, [
    { userId: 'usr_1', data: { a: 1 } },
    { data: { a: 1, b: 2 } },
    { data: { data: 7 } },
    { message: 'a request' },
  ]);
  t.notMatch(JSON.stringify(lines), /secret/);
});
