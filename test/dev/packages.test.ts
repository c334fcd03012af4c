import { readFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { satisfies } from 'semver';
import t from 'tap';

const Package = Type.Object({ scripts: Type.Record(Type.String(), Type.String()) });
const Allowed = Type.Object({ allowScripts: Type.Record(Type.String(), Type.Boolean()) });
const Engines = Type.Object({ node: Type.Optional(Type.String()) });
const Locked = Type.Object({
  /** npm takes no notice of a list. */
  engines: Type.Optional(Type.Union([Engines, Type.Array(Type.String())])),
  hasInstallScript: Type.Optional(Type.Boolean()),
});
const Lock = Type.Object({ packages: Type.Record(Type.String(), Locked) });

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
const { allowScripts } = Value.Parse(Allowed, readJson('package.json'));
const { packages } = Value.Parse(Lock, readJson('package-lock.json'));
const pathsOf = (isMeant: (locked: Static<typeof Locked>) => boolean) =>
  Object.entries(packages).flatMap(([path, locked]) => (isMeant(locked) ? path : []));

t.test(
  'npm ci warns about no package: each accepts the Node.js versions that the service supports',
  async (t) => {
    for (const version of ['20.19.0', '22.22.0', '24.0.0'])
      t.same(
        pathsOf(({ engines = {} }) => 'node' in engines && !satisfies(version, engines.node ?? '*')),
        [],
        version,
      );
  },
);

t.test('npm ci warns about no install script: each is allowed or denied', async (t) => {
  const names = pathsOf(({ hasInstallScript }) => hasInstallScript === true).map((path) =>
    path.replace(/^.*node_modules\//, ''),
  );
  t.same(
    names.filter((name) => !(name in allowScripts)),
    [],
  );
});

t.test('scripts run in the shell of Windows too', async (t) => {
  const unix = /\b(exec|export|cp|mv|rm|sh) |[$`';|]|(^|& )\w+=/;
  for (const file of ['package.json', 'client/package.json', 'deploy/aws/package.json'])
    for (const [name, command] of Object.entries(Value.Parse(Package, readJson(file)).scripts))
      t.notMatch(command, unix, `${file}: ${name}`);
});
