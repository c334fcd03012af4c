export interface Totals {
  passed: number;
  failed: number;
}

const NOISE = /^\s*(ok \d.*|\d+\.\.\d+.*|# time=.*|TAP version \d+)?$/;
const REMARK = /^\s+(# (?!Subtest: |time=)|ok \d+ - .* # (SKIP|TODO))/;

/**
 * Reads the TAP of a whole run as it comes. A file that passed is one line, after its comments and skips; of one that
 * failed all that went wrong is printed. Returns tap's own count of assertions; a run that ends without one was cut
 * off, and counts as a failure.
 */
export async function reportTap(
  lines: AsyncIterable<string>,
  print: (line: string) => void,
): Promise<Totals> {
  let totals: Totals = { passed: 0, failed: 1 };
  let ofFile: string[] = [];
  let inDiagnosis = false; // of the file as a whole: how it was run, and how it ended
  for await (const line of lines) {
    const result = /^(not )?ok \d+ - (.*)/.exec(line);
    const counts = /^# \{ total: \d+(.*) \}$/.exec(line)?.[1];
    if (result) {
      const shows = result[1] ? isOfFailure : isRemark;
      for (const text of ofFile.filter(shows)) print(text);
      print(`${result[1] ? 'FAILED' : 'ok    '} ${plain(result[2] ?? '')}`);
      ofFile = [];
    } else if (line === '  ---' || line === '  ...') {
      inDiagnosis = line === '  ---';
    } else if (inDiagnosis) {
      if (/^ {2}(exitCode|signal|expired|failure): (?!null)/.test(line)) print(line);
    } else if (counts !== undefined) {
      totals = { passed: countOf('pass', counts), failed: countOf('fail', counts) };
    } else {
      ofFile.push(line);
    }
  }
  for (const text of ofFile.filter(isOfFailure)) print(text);
  return totals;
}

const isOfFailure = (text: string) => !NOISE.test(text) && !text.startsWith('# ');
const isRemark = (text: string) => REMARK.test(text);

const countOf = (what: string, counts: string) =>
  Number(new RegExp(`${what}: (\\d+)`).exec(counts)?.[1] ?? 0);

/** The source's name for the compiled file's, and seconds for milliseconds. */
const plain = (result: string) =>
  result
    .replace(/^dist\/(\S+)\.js/, '$1.ts')
    .replace(/ # time=([\d.]+)ms/, (_, time) => ` ${(Number(time) / 1000).toFixed(1)} s`);
