import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { parse } from 'yaml';
import { Environment } from '../src/config.js';

const text = (path: string) => readFileSync(path, 'utf8');
const json = <Schema extends TSchema>(schema: Schema, path: string) =>
  Value.Parse(schema, JSON.parse(text(path)));

const NODE_MAJOR = text('.nvmrc').trim();
const SCRIPTS: Record<string, string> = json(
  Type.Object({ scripts: Type.Record(Type.String(), Type.String()) }),
  'package.json',
).scripts;

t.test('editors, the container for development, CI and the image use the same Node', async (t) => {
  const { engines } = json(Type.Object({ engines: Type.Object({ node: Type.String() }) }), 'package.json');
  t.ok(engines.node.startsWith(`>=${NODE_MAJOR}.`), 'the oldest that is supported');
  t.match(text('Dockerfile'), `\nARG NODE_VERSION=${NODE_MAJOR}\n`);
  for (const name of readdirSync('.github/workflows')) {
    const versions = [...text(`.github/workflows/${name}`).matchAll(/node-version: (\d+)/g)];
    for (const [line, version] of versions) t.equal(version, NODE_MAJOR, `${name}: ${line}`);
  }
});

t.test(
  'the container for development installs the packages and forwards the port of the service',
  async (t) => {
    const container = json(
      Type.Object({
        image: Type.String(),
        postCreateCommand: Type.String(),
        forwardPorts: Type.Array(Type.Integer()),
      }),
      '.devcontainer/devcontainer.json',
    );
    t.match(container.image, new RegExp(`:${NODE_MAJOR}-`));
    t.equal(container.postCreateCommand, 'npm ci');
    t.same(container.forwardPorts, [Environment.properties.PORT.default]);
  },
);

t.test('editors can debug the service, and the test in the open file', async (t) => {
  const { configurations } = json(
    Type.Object({
      configurations: Type.Array(
        Type.Object({
          program: Type.String(),
          args: Type.Array(Type.String()),
          outFiles: Type.Array(Type.String()),
        }),
      ),
    }),
    '.vscode/launch.json',
  );
  const inFolder = (path: string) => path.replace(/^\$\{workspaceFolder\}\//, '');
  for (const { program, outFiles } of configurations) {
    t.ok(existsSync(inFolder(program)), program);
    t.same(outFiles.map(inFolder), ['dist/**/*.js']);
  }
  const [service, test] = configurations;
  t.match(SCRIPTS['start'], `${inFolder(service?.program ?? '')} ${service?.args[0]}`, 'as npm start does');
  const tap = json(
    Type.Object({ bin: Type.Record(Type.String(), Type.String()) }),
    'node_modules/tap/package.json',
  );
  t.equal(inFolder(test?.program ?? ''), `node_modules/tap/${tap.bin['tap']}`);
  t.match(test?.args, ['run', '--timeout=0', /^\$\{relativeFile\}$/]);
});

t.test('editors format as Biome does', async (t) => {
  const { formatter } = json(
    Type.Object({
      formatter: Type.Object({
        indentStyle: Type.String(),
        indentWidth: Type.Integer(),
        lineWidth: Type.Integer(),
      }),
    }),
    'biome.json',
  );
  t.match(text('.editorconfig'), `\nindent_style = ${formatter.indentStyle}\n`);
  t.match(text('.editorconfig'), `\nindent_size = ${formatter.indentWidth}\n`);

  const settings = json(Type.Record(Type.String(), Type.Unknown()), '.vscode/settings.json');
  t.same(settings['editor.rulers'], [formatter.lineWidth]);
  t.ok(existsSync(String(settings['typescript.tsdk'])));
  const { recommendations } = json(
    Type.Object({ recommendations: Type.Array(Type.String()) }),
    '.vscode/extensions.json',
  );
  t.ok(recommendations.includes('biomejs.biome'));
});

t.test('the templates of issues ask what GitHub can show', async (t) => {
  const Form = Type.Object(
    {
      name: Type.String(),
      description: Type.String(),
      labels: Type.Array(Type.String()),
      body: Type.Array(
        Type.Object({
          type: Type.Union(['markdown', 'textarea', 'input', 'dropdown'].map((type) => Type.Literal(type))),
          id: Type.Optional(Type.String({ pattern: '^[\\w-]+$' })),
          attributes: Type.Object({
            label: Type.Optional(Type.String()),
            value: Type.Optional(Type.String()),
          }),
        }),
      ),
    },
    { additionalProperties: false },
  );
  const forms = readdirSync('.github/ISSUE_TEMPLATE');
  t.ok(forms.length > 0);
  for (const name of forms) {
    const { body } = Value.Parse(Form, parse(text(`.github/ISSUE_TEMPLATE/${name}`)));
    const questions = body.filter(({ type }) => type !== 'markdown');
    for (const { id, attributes } of questions) t.ok(id && attributes.label, `${name}: ${id}`);
    t.equal(new Set(questions.map(({ id }) => id)).size, questions.length, `${name}: ids differ`);
  }
});

t.test('every line of CODEOWNERS names a path that exists, and its owners', async (t) => {
  const rules = text('.github/CODEOWNERS')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  t.match(rules[0], /^\*\s/, 'everything has an owner');
  for (const rule of rules) {
    const [pattern = '', ...owners] = rule.split(/\s+/);
    t.ok(pattern === '*' || existsSync(pattern.replace(/^\//, '')), pattern);
    t.ok(owners.length > 0 && owners.every((owner) => /^@[\w-]+(\/[\w-]+)?$/.test(owner)), rule);
  }
});
