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

/** Reads the TAP of one file of tests to its end. Output that ends before its plan is a failure. */
export async function readTap(output: AsyncIterable<string>): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failed: 0, skipped: 0, remarks: [], failures: [] };
  const parser = new Parser();
  parser.on('bailout', (reason: string) => fail(`given up: ${reason}`, undefined, outcome));
  listen(parser, outcome);
  for await (const text of output) parser.write(text);
  parser.end();
  return outcome;
}

function listen(parser: Parser, outcome: Outcome): void {
  let subtest: Parser | undefined;
  let failedBefore = 0;
  parser.on('child', (child: Parser) => {
    subtest = child;
    failedBefore = outcome.failed;
    listen(child, outcome);
  });
  parser.on('comment', (comment: string) => {
    if (!/^# (Subtest: |time=|\{ total: )/.test(comment)) outcome.remarks.push(comment.trimEnd());
  });
  parser.on('assert', (result: Result) => {
    // The result of a subtest repeats those in it, unless there are none, or it failed for a reason of its own.
    const repeats = result.closingTestPoint && subtest !== undefined && subtest.count > 0;
    if (!repeats || (!result.ok && outcome.failed === failedBefore)) count(result, outcome);
  });
  parser.on('complete', () => {
    for (const { tapError } of parser.failures)
      if (typeof tapError === 'string')
        fail(`${parser.fullname || 'the file'}: ${tapError}`, undefined, outcome);
  });
}

function count({ ok, skip, todo, fullname, diag }: Result, outcome: Outcome): void {
  const reason = skip || todo;
  if (reason) {
    outcome.skipped++;
    outcome.remarks.push(
      `# ${skip ? 'skipped' : 'to do'}: ${fullname}${reason === true ? '' : `: ${reason}`}`,
    );
  } else if (ok) outcome.passed++;
  else fail(fullname, diag, outcome);
}

function fail(what: string, diagnosis: unknown, outcome: Outcome): void {
  outcome.failed++;
  outcome.failures.push(diagnosis ? `${what}\n${indent(stringify(diagnosis, { lineWidth: 0 }))}` : what);
}

/** Every line that is not empty, two spaces to the right. */
export const indent = (text: string): string => text.trimEnd().replaceAll(/^(?=.)/gm, '  ');
