import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import t from 'tap';
import { ensureTestProgram } from '../../dev/test-program.js';
import type { Engine } from './game.js';
import { playBeside, playWith } from './play.js';

/** The Unity package without Unity: its core is compiled by Mono, and a console program plays with it. */

const run = promisify(execFile);
const PACKAGE = 'clients/unity';
const DEBIAN_NUNIT = '/usr/lib/cli/nunit.framework-2.6.3/nunit.framework.dll';

t.setTimeout(300_000);

const built = mkdtempSync(join(tmpdir(), 'scoreboard-unity-'));
t.teardown(() => rmSync(built, { recursive: true }));
/** @param source every C# file below this folder */
const compile = (name: string, source: string, ...options: string[]) =>
  run(ensureTestProgram('mcs'), [
    ...['-langversion:7.2', '-warnaserror', `-out:${join(built, name)}`, `-lib:${built}`],
    ...[...options, `-recurse:${source}/*.cs`],
  ]);
await compile('Scoreboard.dll', `${PACKAGE}/Runtime/Core`, '-target:library');
await compile('Game.exe', 'test/clients/unity', '-r:Scoreboard.dll', '-r:System.Net.Http.dll');

const newFolder = () => mkdtempSync(join(built, 'game-'));
/** A game that stores in a folder, by default in one of its own. */
const mono =
  (of?: string): Engine =>
  async (t, { url, kept, canStream = true }, output) => {
    const folder = of ?? newFolder();
    const service = join(folder, createHash('sha256').update(url).digest('hex').slice(0, 16));
    const pathOf = (name: string) => join(service, `${name}.json`);
    mkdirSync(service, { recursive: true });
    for (const name of ['session', 'queue']) {
      const text = kept?.read(name);
      if (text !== undefined && text !== '') writeFileSync(pathOf(name), text);
    }
    const args = [join(built, 'Game.exe'), url, folder, canStream ? 'stream' : 'poll'];
    const game = spawn(ensureTestProgram('mono'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(game.stdout).on('line', output.onLine);
    const over = once(game, 'exit').then(output.onEnd);
    const kill = async () => {
      game.kill('SIGKILL');
      await over;
    };
    t.teardown(kill);
    return {
      kept: {
        read: (name) => (existsSync(pathOf(name)) ? readFileSync(pathOf(name), 'utf8') : ''),
        write: (name, text) => writeFileSync(pathOf(name), text),
      },
      write: (line) => void game.stdin.write(`${line}\n`),
      kill,
    };
  };

playWith(t, mono());
playBeside(t, mono(newFolder()));

t.test("the tests of Unity's test runner pass", async (t) => {
  const framework = `-r:${DEBIAN_NUNIT}`;
  await compile(
    'Scoreboard.Tests.dll',
    `${PACKAGE}/Tests`,
    '-target:library',
    '-r:Scoreboard.dll',
    framework,
  );
  const { stdout } = await run(
    ensureTestProgram('nunit-console'),
    ['-nologo', '-noxml', join(built, 'Scoreboard.Tests.dll')],
    { cwd: built },
  );
  t.match(stdout, /Tests run: [1-9]\d*, Errors: 0, Failures: 0, Inconclusive: 0/);
  t.match(stdout, /Not run: 0,/);
});

t.test(
  'the layer for Unity, the sample and the guide compile against declarations of what they use',
  async () => {
    // Unity sets the fields that look as if nothing did.
    const library = ['-target:library', '-nowarn:0649', '-r:Scoreboard.dll'];
    await compile('UnityEngine.dll', 'test/clients/unity-declarations', '-target:library');
    await compile('Scoreboard.Unity.dll', `${PACKAGE}/Runtime/Unity`, ...library, '-r:UnityEngine.dll');
    const both = ['-r:UnityEngine.dll', '-r:Scoreboard.Unity.dll'];
    await compile('Sample.dll', `${PACKAGE}/Samples~`, ...library, ...both);
    const [, snippet = ''] =
      /^```csharp\n(using .*?)^```$/ms.exec(readFileSync('docs/engines.md', 'utf8')) ?? [];
    mkdirSync(join(built, 'snippet'));
    writeFileSync(join(built, 'snippet/Level.cs'), snippet);
    await compile('Snippet.dll', join(built, 'snippet'), ...library, ...both);
  },
);

t.test("no number is written like 1_000, which Mono's compiler reads as 10000", async (t) => {
  for (const folder of [PACKAGE, 'test/clients/unity'])
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (path.endsWith('.cs')) t.notMatch(readFileSync(join(folder, path), 'utf8'), /\b\d+_\d/, path);
});

t.test('every file that Unity imports has an id of its own', async (t) => {
  // Unity leaves out folders that end in ~.
  const imported = readdirSync(PACKAGE, { recursive: true, encoding: 'utf8' }).filter(
    (path) => !/~/.test(path) && !path.endsWith('.meta'),
  );
  const ids = imported.map((path) => {
    const meta = readFileSync(join(PACKAGE, `${path}.meta`), 'utf8');
    return /^guid: ([0-9a-f]{32})$/m.exec(meta)?.[1];
  });
  t.notOk(ids.includes(undefined));
  t.equal(new Set(ids).size, imported.length);
});
