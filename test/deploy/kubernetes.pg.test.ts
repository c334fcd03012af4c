import { readFileSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { Environment, loadConfig } from '../../src/config.js';
import { buildTestApp } from '../helper.js';

// deploy/kubernetes/check.sh holds the chart against helm, kubeconform and kube-score, and these files against the chart. Here
// they are held against the service, with what npm has.

const FOLDER = 'deploy/kubernetes';
const read = (file: string) => readFileSync(file, 'utf8');

const Names = Type.Record(Type.String(), Type.String());
const Probe = Type.Object({ httpGet: Type.Object({ path: Type.String(), port: Type.Literal('http') }) });
const Variable = Type.Object({
  name: Type.String(),
  value: Type.Optional(Type.String()),
  valueFrom: Type.Optional(
    Type.Object({
      secretKeyRef: Type.Object({
        name: Type.String(),
        key: Type.String(),
        optional: Type.Optional(Type.Boolean()),
      }),
    }),
  ),
});
const Security = Type.Object({
  allowPrivilegeEscalation: Type.Literal(false),
  readOnlyRootFilesystem: Type.Literal(true),
  runAsNonRoot: Type.Literal(true),
  capabilities: Type.Object({ drop: Type.Tuple([Type.Literal('ALL')]) }),
});
const Pod = Type.Object({
  metadata: Type.Object({ labels: Names }),
  spec: Type.Object({
    automountServiceAccountToken: Type.Literal(false),
    terminationGracePeriodSeconds: Type.Optional(Type.Integer()),
    securityContext: Type.Object({ seccompProfile: Type.Object({ type: Type.Literal('RuntimeDefault') }) }),
    containers: Type.Array(
      Type.Object({
        command: Type.Optional(Type.Array(Type.String())),
        env: Type.Array(Variable),
        securityContext: Security,
        startupProbe: Type.Optional(Probe),
        readinessProbe: Type.Optional(Probe),
        livenessProbe: Type.Optional(Probe),
        lifecycle: Type.Optional(
          Type.Object({
            preStop: Type.Object({ sleep: Type.Object({ seconds: Type.Integer({ minimum: 1 }) }) }),
          }),
        ),
      }),
      { minItems: 1, maxItems: 1 },
    ),
  }),
});
const Workload = Type.Object({
  metadata: Type.Object({ annotations: Names }),
  spec: Type.Object({ template: Pod }),
});
const Selecting = Type.Object({
  spec: Type.Object({ podSelector: Type.Object({ matchLabels: Names }) }),
});
const Ingress = Type.Object({
  metadata: Type.Object({ annotations: Names }),
  spec: Type.Object({
    rules: Type.Array(
      Type.Object({
        http: Type.Object({
          paths: Type.Array(
            Type.Object({
              path: Type.String(),
              pathType: Type.Union([Type.Literal('Exact'), Type.Literal('Prefix')]),
            }),
          ),
        }),
      }),
      { minItems: 1, maxItems: 1 },
    ),
  }),
});
const Kind = Type.Object({ kind: Type.String() });

/** The only object of a kind in a file. */
function only(file: string, kind: string): unknown {
  const found = parseAllDocuments(read(`${FOLDER}/${file}`))
    .map((document): unknown => document.toJS())
    .filter((object) => Value.Check(Kind, object) && object.kind === kind);
  if (found.length !== 1) throw new Error(`${file} has ${found.length} of kind ${kind}`);
  return found[0];
}

const deployment = Value.Parse(Workload, only('scoreboard-api.yaml', 'Deployment'));
const migration = Value.Parse(Workload, only('migration.yaml', 'Job'));
const pod = deployment.spec.template.spec;
const [api] = pod.containers;
const [migrate] = migration.spec.template.spec.containers;
if (api === undefined || migrate === undefined) throw new Error('There is no container');

const SECRETS: Record<string, string> = {
  DATABASE_URL: 'postgres://a:b@c:5432/d',
  REDIS_URL: 'redis://c:6379',
  JWT_SECRET: 'one secret of more than 32 characters',
  ACTION_TOKEN_SECRET: 'another of more than 32 characters, see',
};

t.test('the service accepts its environment, and uses each variable', async (t) => {
  for (const { name } of api.env)
    t.ok(name in Environment.properties || /^PG(USER|PASSWORD)$/.test(name), name);
  const given = api.env.flatMap(({ name, value, valueFrom }) =>
    valueFrom?.secretKeyRef.optional === true ? [] : [[name, value ?? SECRETS[name] ?? '']],
  );
  const config = loadConfig(Object.fromEntries(given));
  t.match(config, { production: true, REDIS_MODE: 'cluster', WORKERS: 2, PORT: 3000 });
  for (const { name, valueFrom } of [...api.env, ...migrate.env])
    if (valueFrom !== undefined) t.equal(valueFrom.secretKeyRef.key, name);
  const names = (container: typeof api) => container.env.map(({ name }) => name);
  t.ok(names(migrate).every((name) => names(api).includes(name)));
});

t.test('the schema of the values knows every variable, and nothing else', async (t) => {
  const Schema = Type.Object({
    additionalProperties: Type.Literal(false),
    properties: Type.Record(Type.String(), Type.Unknown()),
  });
  const schema = Value.Parse(Schema, JSON.parse(read('deploy/helm/values.schema.json')));
  const known = (value: unknown) => Object.keys(Value.Parse(Schema, value).properties);
  const Secret = Type.Object({ properties: Type.Object({ values: Type.Unknown() }) });
  const secrets = known(Value.Parse(Secret, schema.properties['secret']).properties.values);
  // The chart itself sets these.
  const own = ['NODE_ENV', 'HOST', 'PORT'];
  t.same(
    [...known(schema.properties['config']), ...secrets, ...own].sort(),
    [...Object.keys(Environment.properties), 'PGUSER', 'PGPASSWORD'].sort(),
  );
  const values: unknown = parse(read('deploy/helm/values.yaml'));
  t.same(
    Object.keys(Object(values)).sort(),
    Object.keys(schema.properties)
      .filter((name) => name !== 'global')
      .sort(),
  );
});

t.test('an instance has the time to close its streams and to answer', async (t) => {
  const [, closing = ''] = /^const CLOSE_WITHIN_MS = (\d+)_000;$/m.exec(read('src/server.ts')) ?? [];
  const { terminationGracePeriodSeconds: grace = 0 } = pod;
  const stillServing = api.lifecycle?.preStop.sleep.seconds ?? Number.NaN;
  t.ok(grace >= stillServing + Number(closing) + 2, `${grace} s`);
});

t.test('the policies are for the pods that there are', async (t) => {
  for (const [file, workload] of [
    ['scoreboard-api.yaml', deployment],
    ['migration.yaml', migration],
  ] as const) {
    const { podSelector } = Value.Parse(Selecting, only(file, 'NetworkPolicy')).spec;
    t.match(workload.spec.template.metadata.labels, podSelector.matchLabels, file);
  }
});

t.test(
  'the migration runs before an upgrade, is replaced by the next, and no rollback waits for it',
  async (t) => {
    t.same(migrate.command, ['node', 'dist/scripts/migrate.js']);
    t.ok(read('scripts/migrate.ts'));
    const { annotations } = migration.metadata;
    t.equal(annotations['helm.sh/hook'], 'pre-install,pre-upgrade');
    t.equal(annotations['helm.sh/hook-delete-policy'], 'before-hook-creation,hook-succeeded');
  },
);

t.test('the alerts are those of Prometheus', async (t) => {
  const Rule = Type.Object({ spec: Type.Unknown() });
  const { spec } = Value.Parse(Rule, only('monitoring.yaml', 'PrometheusRule'));
  t.same(spec, parse(read('deploy/prometheus/alerts.yml')));
  t.match(read(`${FOLDER}/monitoring.yaml`), 'targetLabel: job, replacement: scoreboard-api');
});

/** The paths of a tree of routes, as Fastify prints it. */
function pathsOf(tree: string): string[] {
  const parts: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', part, methods] = /^([│ ]*)[├└]── (\S+)( \(.+\))?/.exec(line) ?? [];
    if (part === undefined) return [];
    parts.splice(indent.length / 4, parts.length, part);
    return methods === undefined ? [] : parts.join('');
  });
}

t.test('probes ask paths that exist, and every path but /metrics is public', async (t) => {
  const { app, url } = await buildTestApp(t);
  t.equal(api.readinessProbe?.httpGet.path, '/health/ready');
  for (const probe of [api.startupProbe, api.livenessProbe]) t.equal(probe?.httpGet.path, '/health/live');
  for (const path of ['/health/ready', '/health/live']) t.equal((await fetch(url + path)).status, 200);

  const { metadata, spec } = Value.Parse(Ingress, only('scoreboard-api.yaml', 'Ingress'));
  t.equal(metadata.annotations['nginx.ingress.kubernetes.io/proxy-buffering'], 'off');
  t.equal(metadata.annotations['nginx.ingress.kubernetes.io/proxy-read-timeout'], '3600');
  const paths = spec.rules.flatMap(({ http }) => http.paths);
  const isPublic = (asked: string) =>
    paths.some(
      ({ path, pathType }) => asked === path || (pathType === 'Prefix' && asked.startsWith(`${path}/`)),
    );
  // The tree has what follows a path, whatever it is, without its slash.
  const routes = pathsOf(app.printRoutes({ commonPrefix: false })).map((path) =>
    path.replace(/(?<=\w)\*$/, '/*'),
  );
  t.ok(routes.includes('/v1/scores') && routes.includes('/metrics') && routes.includes('/'));
  t.same(
    routes.filter((path) => !isPublic(path)),
    // The last is an OPTIONS request of a browser, for any path.
    ['/metrics', '*'],
  );
});
