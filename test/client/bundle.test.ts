import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import t from 'tap';

/** A minified bundle with all dependencies: its text, and its compressed size. */
async function bundle(script: string) {
  const { outputFiles } = await build({
    stdin: { contents: script, resolveDir: '.' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  const text = outputFiles[0]?.text ?? '';
  return { text, bytes: gzipSync(text, { level: 9 }).length };
}

t.test('the whole client is smaller than 6 KB', async (t) => {
  const { bytes } = await bundle("export * from '@scoreboard/client'");
  t.comment(`${bytes} bytes`);
  t.ok(bytes > 1_000 && bytes <= 6 * 1_024);
});

t.test('a page that only subscribes loads no code for sessions and actions', async (t) => {
  const { bytes, text } = await bundle(
    "import { subscribe } from '@scoreboard/client'; subscribe('', 'global', console.log)",
  );
  t.comment(`${bytes} bytes`);
  t.ok(bytes <= 2 * 1_024);
  t.notMatch(text, /auth|scores|localStorage/);
});
