import { Parser, type Result } from 'tap-parser';
import { stringify } from 'yaml';

/** What a file of tests came to. */
export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  /** What its tests say beside their results, and what they skip. */
  readonly remarks: string[];
  /** What failed, each with its diagnosis. */
  readonly failures: string[];
}

/**
 * Reads the TAP of a process that runs files of tests, each as a test of its own: yields what each came to as soon as it has
 * ended. One that is cut off, and what fails beside the files, yields a failure.
 */
export async function* outcomesOf(output: AsyncIterable<string>): AsyncGenerator<Outcome> {
  const running: Outcome[] = [];
  const ended: Outcome[] = [];
  const end = (failure?: string, diagnosis?: unknown) => {
    const outcome = running.pop() ?? newOutcome();
    if (failure !== undefined && outcome.failed === 0) fail(failure, diagnosis, outcome);
    ended.push(outcome);
  };
  const parser = new Parser();
  parser.on('child', (file: Parser) => {
    const outcome = newOutcome();
    running.push(outcome);
    listen(file, outcome);
  });
  parser.on('assert', ({ ok, name, diag, closingTestPoint }: Result) => {
    // The result of a file repeats those in it, unless it failed for a reason of its own.
    if (!ok) end(name, diag);
    else if (closingTestPoint) end();
  });
  parser.on('bailout', (reason: string) => end(`given up: ${reason}`));
  for await (const text of output) {
    parser.write(text);
    yield* ended.splice(0);
  }
  parser.end();
  if (running.length > 0) end('its output was cut off');
  yield* ended;
}

export const newOutcome = (): Outcome => ({ passed: 0, failed: 0, skipped: 0, remarks: [], failures: [] });

/** Counts what is in a test into `outcome`. The name of the file itself is left out of those of its tests. */
function listen(parser: Parser, outcome: Outcome, path = ''): void {
  let subtest: Parser | undefined;
  let failedBefore = 0;
  parser.on('child', (child: Parser) => {
    subtest = child;
    failedBefore = outcome.failed;
    listen(child, outcome, `${path}${child.name} > `);
  });
  parser.on('comment', (comment: string) => {
    if (!/^# (Subtest: |time=|\{ total: )/.test(comment)) outcome.remarks.push(comment.trimEnd());
  });
  parser.on('assert', (result: Result) => {
    // The result of a subtest repeats those in it, unless there are none, or it failed for a reason of its own.
    const repeats = result.closingTestPoint && subtest !== undefined && subtest.count > 0;
    if (!repeats || (!result.ok && outcome.failed === failedBefore))
      count(result, path + result.name, outcome);
  });
  parser.on('complete', () => {
    for (const { tapError } of parser.failures)
      if (typeof tapError === 'string') fail(path + tapError, undefined, outcome);
  });
}

function count({ ok, skip, todo, diag }: Result, name: string, outcome: Outcome): void {
  const reason = skip || todo;
  if (reason) {
    outcome.skipped++;
    outcome.remarks.push(`# ${skip ? 'skipped' : 'to do'}: ${name}${reason === true ? '' : `: ${reason}`}`);
  } else if (ok) outcome.passed++;
  else fail(name, diag, outcome);
}

/** Counts a failure. */
export function fail(what: string, diagnosis: unknown, outcome: Outcome): void {
  outcome.failed++;
  outcome.failures.push(diagnosis ? `${what}\n${indent(stringify(diagnosis, { lineWidth: 0 }))}` : what);
}

/** Every line that is not empty, two spaces to the right. */
export const indent = (text: string): string => text.trimEnd().replaceAll(/^(?=.)/gm, '  ');
