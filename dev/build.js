import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { writeWhole } from './write-whole.js';

const ROOT = join(import.meta.dirname, '..');
const FOLDERS = [
  'src',
  'plugins',
  'routes',
  'schemas',
  'scripts',
  'dev',
  'test',
  'bench',
  'client/src',
  'console/src',
];
/** When one of these changes, all is built again. */
const TOOLS = [
  ...['dev/build.js', 'client/build.js', 'client/client.d.ts', 'console/build.js'],
  ...['tsconfig.json', 'package-lock.json'],
];
/** The sources of the last build, each with its time and size. */
const RECORD = join('dist', 'sources.json');

/**
 * Brings up to date: dist/, which has each TypeScript file as JavaScript with a source map, and client/dist/, which
 * has what browsers load, as console/dist/ has. Types are removed, not checked. Several processes may build at once: a file appears whole.
 */
export async function build() {
  const before = readRecord();
  const sources = FOLDERS.flatMap(filesIn);
  const now = Object.fromEntries([...TOOLS, ...sources].map((file) => [file, stampOf(file)]));
  const changed = new Set(Object.keys({ ...before, ...now }).filter((file) => before[file] !== now[file]));
  const all = TOOLS.some((file) => changed.has(file));

  const modules = sources.filter((file) => /(?<!\.d)\.ts$/.test(file));
  const present = new Set(FOLDERS.flatMap((folder) => filesIn(join('dist', folder))));
  const wanted = new Set(modules.flatMap((file) => [compiledOf(file), `${compiledOf(file)}.map`]));
  for (const file of present) if (!wanted.has(file)) rmSync(join(ROOT, file), { force: true });

  const stale = modules.filter((file) => all || changed.has(file) || !present.has(compiledOf(file)));
  const isOfBrowsers = (file) =>
    /^(client|console)$/.test(file.split(sep)[0]) || file === join('src', 'score-format.ts');
  const isMissing = ['client/dist', 'console/dist'].some((folder) => !existsSync(join(ROOT, folder)));
  const forBrowsers = all || [...changed].some(isOfBrowsers) || isMissing;
  if (stale.length > 0 || forBrowsers) {
    const { stop } = await import('esbuild');
    const { buildForBrowsers } = await import('../client/build.js');
    const { buildConsole } = await import('../console/build.js');
    await Promise.all([compile(stale), forBrowsers && buildForBrowsers(), forBrowsers && buildConsole()]);
    await stop();
  }
  if (changed.size > 0) writeWhole(join(ROOT, RECORD), JSON.stringify(now));
}

async function compile(files) {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: files,
    outbase: '.',
    outdir: 'dist',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    charset: 'utf8',
    sourcemap: true,
    sourcesContent: false,
    write: false,
  });
  for (const { path, contents } of outputFiles) writeWhole(path, contents);
}

function filesIn(folder) {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
}

function stampOf(file) {
  const { mtimeMs, size } = statSync(join(ROOT, file));
  return `${mtimeMs} ${size}`;
}

const compiledOf = (file) => join('dist', file.replace(/ts$/, 'js'));

function readRecord() {
  try {
    return JSON.parse(readFileSync(join(ROOT, RECORD), 'utf8'));
  } catch {
    return {}; // None yet.
  }
}
