import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { parse } from 'yaml';
import { KINDS } from '../../dev/testing/kinds.js';

const FOLDER = '.github/workflows';

const Variables = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]));
const Permissions = Type.Record(Type.String(), Type.String());
const Step = Type.Object({
  uses: Type.Optional(Type.String()),
  run: Type.Optional(Type.String()),
  with: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  env: Type.Optional(Variables),
});
const Job = Type.Object({
  uses: Type.Optional(Type.String()),
  needs: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  environment: Type.Optional(Type.String()),
  permissions: Permissions,
  'timeout-minutes': Type.Optional(Type.Integer({ maximum: 150 })),
  env: Type.Optional(Variables),
  strategy: Type.Optional(Type.Object({ matrix: Type.Record(Type.String(), Type.Array(Type.Unknown())) })),
  steps: Type.Optional(Type.Array(Step)),
});
const Workflow = Type.Object({
  name: Type.String(),
  on: Type.Record(Type.String(), Type.Unknown()),
  permissions: Type.Object({}, { additionalProperties: false }),
  concurrency: Type.Object({ group: Type.String(), 'cancel-in-progress': Type.Unknown() }),
  env: Type.Optional(Variables),
  defaults: Type.Optional(Type.Object({ run: Type.Object({ shell: Type.String() }) })),
  jobs: Type.Record(Type.String(), Job),
});
type Workflow = Static<typeof Workflow>;

const files = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(`${FOLDER}/${name}`, 'utf8') }));
const workflows = new Map<string, Workflow>(
  files.map(({ name, text }) => {
    const workflow: unknown = parse(text);
    const fault = Value.Errors(Workflow, workflow).First();
    if (fault !== undefined) throw new Error(`${name}: ${fault.path} ${fault.message}`);
    return [name, Value.Parse(Workflow, workflow)];
  }),
);
const jobs = [...workflows].flatMap(([file, { jobs }]) =>
  Object.entries(jobs).map(([name, job]) => ({ where: `${file}: ${name}`, job, steps: job.steps ?? [] })),
);
const steps = jobs.flatMap(({ where, steps }) => steps.map((step) => ({ where, step })));

t.test('every action is pinned by its commit, and the comment says which version that is', async (t) => {
  const versions = new Map<string, Set<string>>();
  for (const { name, text } of files) {
    for (const [, used = ''] of text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)) {
      if (used.startsWith('./')) {
        t.ok(existsSync(used), `${name}: ${used}`);
        continue;
      }
      t.match(used, /^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
      const [action = '', version = ''] = used.split('@');
      versions.set(action, (versions.get(action) ?? new Set()).add(version));
    }
  }
  for (const [action, used] of versions) t.equal(used.size, 1, `${action} in one version`);
});

t.test('every job has a time limit, and no more permissions than it needs', async (t) => {
  for (const { where, job } of jobs) {
    // A job that calls a workflow cannot have its own limit.
    t.equal(job['timeout-minutes'] === undefined, job.uses !== undefined, `${where} has a time limit`);
    const extra = Object.entries(job.permissions).filter(
      ([scope, access]) => `${scope}: ${access}` !== 'contents: read',
    );
    const allowed = where.startsWith('codeql.yml')
      ? ['security-events: write']
      : where.startsWith('check.yml') || where.endsWith('.yml: check')
        ? []
        : /^publish\.yml: (image|chart)/.test(where)
          ? ['packages: write', 'id-token: write']
          : ['id-token: write'];
    t.same(
      extra.map(([scope, access]) => `${scope}: ${access}`),
      allowed,
      where,
    );
  }
  for (const { where, step } of steps) {
    if (step.uses?.startsWith('actions/checkout@')) t.equal(step.with?.['persist-credentials'], false, where);
  }
});

t.test('there are no access keys: jobs assume roles of AWS', async (t) => {
  for (const { name, text } of files) t.notMatch(text, /\bsecrets\b/, name);
  const roles = steps.flatMap(({ step }) => step.with?.['role-to-assume'] ?? []);
  t.ok(roles.length >= 3);
  for (const role of roles) t.match(role, /^\$\{\{ vars\.AWS_(PUSH|DEPLOY)_ROLE_ARN \}\}$/);
});

t.test('no expression that others can influence is put into a shell', async (t) => {
  for (const { where, step } of steps) t.notMatch(step.run ?? '', /\$\{\{/, where);
});

/** Commands of npm itself. */
const OF_NPM = new Set(['ci', 'pkg', 'publish']);

t.test('the commands that are run exist', async (t) => {
  const Package = Type.Object({ scripts: Type.Record(Type.String(), Type.String()) });
  const { scripts } = Value.Parse(Package, JSON.parse(readFileSync('package.json', 'utf8')));
  const commands = steps.flatMap(({ where, step }) =>
    (step.run ?? '').split('\n').map((command) => ({ where, command })),
  );
  for (const { where, command } of commands) {
    const [, script] = /^npm (?:run )?([a-z:-]+)(?!.*--prefix)/.exec(command) ?? [];
    if (script !== undefined && !OF_NPM.has(script)) t.ok(scripts[script], `${where}: ${command}`);
    const [, file] = /^(\.\/\S+)/.exec(command) ?? [];
    if (file !== undefined) t.ok(existsSync(file), `${where}: ${command}`);
  }
});

const runsOf = (file: string, name: string) =>
  (workflows.get(file)?.jobs[name]?.steps ?? []).map(({ run = '' }) => run).join('\n');

t.test('a pull request is linted, type checked and tested, on every supported Node', async (t) => {
  const check = workflows.get('check.yml');
  t.ok(check && 'pull_request' in check.on);
  for (const command of ['lint', 'typecheck', 'docs:check']) t.match(runsOf('check.yml', 'static'), command);
  t.match(runsOf('check.yml', 'tests'), 'npm test -- --kind "$KIND"');
  t.same(check?.jobs['tests']?.strategy?.matrix['kind'], Object.keys(KINDS), 'every kind, side by side');
  for (const name of ['tests', 'image']) {
    t.same(check?.jobs[name]?.strategy?.matrix['node'], [20, 22, 24], name);
  }
});

t.test('the build arguments of an image exist in the Dockerfile', async (t) => {
  const args = [...readFileSync('Dockerfile', 'utf8').matchAll(/^ARG (\w+)=/gm)].map(([, name]) => name);
  const given = (file: string, name: string) => {
    const builds = workflows.get(file)?.jobs[name]?.steps ?? [];
    return builds.flatMap((step) => step.with?.['build-args'] ?? []).map(String);
  };
  t.match(given('check.yml', 'image'), [/^NODE_VERSION=\$\{\{ matrix\.node \}\}$/]);
  t.match(given('release.yml', 'build'), [/^REVISION=\$\{\{ github\.sha \}\}$/]);
  for (const name of ['NODE_VERSION', 'REVISION']) t.ok(args.includes(name), name);
});

t.test('a base image has a digest, for each Node that is built', async (t) => {
  const bases = [...readFileSync('Dockerfile', 'utf8').matchAll(/^FROM (\S+)(?: AS (\S+))?$/gm)];
  const pinned = bases.filter(([, image = '']) => image.includes('@'));
  t.same(
    pinned.map(([, , stage]) => stage),
    [20, 22, 24].map((version) => `node-${version}`),
  );
  for (const [, image = '', stage = ''] of pinned)
    t.match(image, new RegExp(`^node:${stage.slice(5)}-alpine@sha256:[0-9a-f]{64}$`));
  for (const [, image = ''] of bases.filter((base) => !pinned.includes(base)))
    t.match(image, /^node-\$\{NODE_VERSION\}$/);
});

t.test('an image is scanned for what can be fixed', async (t) => {
  const { steps = [], strategy } = workflows.get('check.yml')?.jobs['image'] ?? {};
  const build = steps.find(({ uses }) => uses?.startsWith('docker/build-push-action@'));
  const scan = steps.find(({ uses }) => uses?.startsWith('anchore/scan-action@'));
  t.equal(scan?.with?.['image'], build?.with?.['tags']);
  t.match(scan?.with, { 'only-fixed': true, 'fail-build': /^\$\{\{ matrix\.node != 20 \}\}$/ });
  t.equal(strategy?.matrix['node']?.length, 3);
});

t.test('a tag publishes what was checked: a signed image and chart, and clients', async (t) => {
  const publish = workflows.get('publish.yml');
  t.same(publish?.on, { push: { tags: ['v[0-9]+.[0-9]+.[0-9]+*'] } });
  const { image, chart } = publish?.jobs ?? {};
  t.equal(image?.needs, 'check');
  t.equal(chart?.needs, 'image');
  const build = image?.steps?.find(({ uses }) => uses?.startsWith('docker/build-push-action@'));
  t.match(build?.with, {
    ...{ push: true, sbom: true, provenance: 'mode=max', platforms: 'linux/amd64,linux/arm64' },
    'build-args': /^NODE_VERSION=.*\nVERSION=.*\nREVISION=/,
  });
  t.match(runsOf('publish.yml', 'image'), 'cosign sign --yes --recursive "$IMAGE"');
  for (const registry of ['npm', 'pypi']) t.equal(publish?.jobs[registry]?.needs, 'check');
  t.match(runsOf('publish.yml', 'npm'), 'npm publish -w client --provenance');
  t.match(runsOf('publish.yml', 'pypi'), 'uv publish --trusted-publishing always');
  t.match(runsOf('publish.yml', 'chart'), 'cosign sign --yes "ghcr.io/$owner/charts/scoreboard-api@$digest"');
  const { version } = Value.Parse(
    Type.Object({ version: Type.String() }),
    JSON.parse(readFileSync('package.json', 'utf8')),
  );
  t.match(parse(readFileSync('deploy/helm/Chart.yaml', 'utf8')), { version, appVersion: version });
  t.match(JSON.parse(readFileSync('client/package.json', 'utf8')), { version });
  t.match(readFileSync('clients/python/pyproject.toml', 'utf8'), `\nversion = "${version}"\n`);
  t.match(readFileSync('deploy/helm/values.yaml', 'utf8'), 'repository: ghcr.io/example/scoreboard-api\n');
});

t.test('a merge is checked, built with SBOM and provenance, tested in staging, then released', async (t) => {
  const release = workflows.get('release.yml');
  t.same(release?.on, { push: { branches: ['main'] } });
  const { build, staging, production } = release?.jobs ?? {};
  t.equal(build?.needs, 'check');
  const image = build?.steps?.find(({ uses }) => uses?.startsWith('docker/build-push-action@'));
  t.match(image?.with, { push: true, sbom: true, provenance: 'mode=max' });
  t.equal(staging?.needs, 'build');
  t.same(production?.needs, ['build', 'staging']);
  for (const job of [staging, production]) t.equal(job?.uses, './.github/workflows/deploy.yml');
});

t.test('a deployment is tested, watched, and rolled back on failure', async (t) => {
  const runs = runsOf('deploy.yml', 'deploy').split('\n');
  const order = [
    /release\.sh "\$STACK" "\$DIGEST"/,
    /npm run smoke/,
    /npm run watch-rollback/,
    /"\$PREVIOUS"/,
  ].map((command) => runs.findIndex((run) => command.test(run)));
  t.ok(
    order.every((at) => at >= 0),
    order.join(),
  );
  t.same(
    order,
    order.toSorted((a, b) => a - b),
  );
  t.equal(workflows.get('deploy.yml')?.defaults?.run.shell, 'bash', 'a question that fails ends its step');
  t.match(workflows.get('deploy.yml')?.jobs['deploy']?.environment, /^\$\{\{ inputs\.environment \}\}$/);
});

t.test('Dependabot updates everything that is pinned', async (t) => {
  const Updates = Type.Object({
    updates: Type.Array(
      Type.Object({
        'package-ecosystem': Type.String(),
        directory: Type.Optional(Type.String()),
        directories: Type.Optional(Type.Array(Type.String())),
      }),
    ),
  });
  const { updates } = Value.Parse(Updates, parse(readFileSync('.github/dependabot.yml', 'utf8')));
  const watched = updates.flatMap(({ 'package-ecosystem': kind, directory, directories = [] }) =>
    [...directories, ...(directory === undefined ? [] : [directory])].map((path) => `${kind} ${path}`),
  );
  t.same(watched.sort(), ['docker /', 'docker-compose /', 'github-actions /', 'npm /', 'npm /deploy/aws']);
});
