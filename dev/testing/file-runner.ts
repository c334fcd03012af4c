import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import root from 'tap';
import { currentFile } from './current-file.js';

/**
 * Runs the files of tests that its parent names, one after the other, until it disconnects. Each file is a test of this process,
 * and what it tests are subtests of that.
 */

/** How long a file that does not say otherwise may take. */
const FILE_WITHIN_MS = 300_000;

register('./resolve-tap.js', import.meta.url);
root.setTimeout(0);
// tap lets its processes end when they have nothing to do. This one waits for the next file.
root.pipe(process.stdout);
process.channel?.ref();
process.on('message', async ({ source, built }: { source: string; built: string }) => {
  await root.test(source, async (t) => {
    t.setTimeout(FILE_WITHIN_MS);
    currentFile.test = t;
    await import(pathToFileURL(resolve(built)).href);
  });
  // Who reads a result waits for its diagnosis until another result comes.
  root.pass('ended');
});
