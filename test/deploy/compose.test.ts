import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { Environment, loadConfig } from '../../src/config.js';
import { addressOf, readCompose, serviceOf } from './compose.js';

/** The content of a complete `.env`. */
const secrets = Object.fromEntries(
  [...readFileSync('.env.example', 'utf8').matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [
    name,
    /SECRET|PASSWORD/.test(name) ? name.replaceAll('_', '').padEnd(64, 'x') : value,
  ]),
);
const stack = readCompose('compose.yaml', secrets);
const simple = readCompose('compose.simple.yaml', secrets);
const observability = readCompose('compose.observability.yaml');
const all = Object.entries({ stack, simple, observability });

t.test('the stack is the recommended production, with Prometheus and Grafana as a profile', async (t) => {
  const names = Object.keys(stack.services);
  const ofProfile = names.filter((name) => serviceOf(stack, name).profiles?.includes('observability'));
  t.same(ofProfile, ['prometheus', 'grafana']);
  t.same(
    names.filter((name) => !ofProfile.includes(name)),
    [
      ...['nginx', 'api-1', 'api-2', 'migrate', 'postgres', 'postgres-replica'],
      ...['redis-1', 'redis-2', 'redis-3', 'redis-cluster'],
    ],
  );
  t.same(Object.keys(simple.services), ['nginx', 'api', 'postgres']);
});

t.test('images have a version, and files that are mounted exist', async (t) => {
  for (const [name, { services, volumes: named = {} }] of all) {
    for (const [service, { image, build, volumes = [] }] of Object.entries(services)) {
      if (image !== undefined && build === undefined) t.match(image, /:v?\d+/, `${name} ${service}`);
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        t.ok(source.startsWith('.') ? existsSync(source) : source in named, source);
      }
    }
  }
  for (const { extends: base } of Object.values(stack.services)) {
    if (base !== undefined) t.ok(serviceOf(readCompose(base.file), base.service), base.service);
  }
});

t.test('the service accepts its environment, and uses each variable', async (t) => {
  for (const [compose, name] of [
    [stack, 'api-1'],
    [stack, 'api-2'],
    [stack, 'migrate'],
    [simple, 'api'],
  ] as const) {
    const { environment = {} } = serviceOf(compose, name);
    for (const variable of Object.keys(environment)) t.ok(variable in Environment.properties, variable);
    const config = loadConfig(
      Object.fromEntries(Object.entries(environment).map(([variable, value]) => [variable, String(value)])),
    );
    t.equal(config.production, true, name);
    t.same(config.TRUST_PROXY, [addressOf(compose, 'nginx')], 'nginx alone says who asks');
    const { hostname } = new URL(config.DATABASE_URL ?? '');
    t.ok(hostname in compose.services, hostname);
    t.equal(config.REDIS_MODE, compose === stack ? 'cluster' : 'off');
  }
  const nodes = ['redis-1', 'redis-2', 'redis-3'].map((name) => `${addressOf(stack, name)}:6379`);
  const { REDIS_URL = '' } = serviceOf(stack, 'api-1').environment ?? {};
  t.same(
    String(REDIS_URL)
      .split(',')
      .map((url) => new URL(url).host),
    nodes,
  );
  t.same(serviceOf(stack, 'redis-cluster').command, nodes);
});

t.test('a missing secret is named, with a hint where to set it', async (t) => {
  for (const name of Object.keys(secrets).filter((name) => /SECRET|PASSWORD/.test(name))) {
    t.throws(() => readCompose('compose.yaml', { ...secrets, [name]: '' }), {
      message: `required variable ${name} is missing a value: see .env.example`,
    });
  }
  t.throws(() => readCompose('compose.simple.yaml'), { message: /is missing a value: see \.env\.example$/ });
});

t.test('only nginx can be reached from outside', async (t) => {
  for (const compose of [stack, simple]) {
    t.match(compose.networks, { stack: { internal: true } });
    const open = Object.entries(compose.services).filter(([, { ports = [] }]) => ports.length > 0);
    t.same(
      open.map(([name]) => name),
      ['nginx'],
    );
    const { extra_hosts: hosts = [] } = serviceOf(compose, 'nginx');
    t.not(hosts.length, 0);
    for (const host of hosts) {
      const [name = '', address] = host.split(':');
      t.equal(address, addressOf(compose, name), host);
    }
  }
});

t.test('dependencies exist, and are waited for until they are healthy', async (t) => {
  for (const compose of [stack, simple]) {
    for (const [name, { depends_on: needs = {} }] of Object.entries(compose.services)) {
      for (const [needed, { condition }] of Object.entries(needs)) {
        const { healthcheck, build, restart } = serviceOf(compose, needed);
        const oneShot = restart === undefined || restart === 'no';
        t.equal(
          condition,
          oneShot ? 'service_completed_successfully' : 'service_healthy',
          `${name}: ${needed}`,
        );
        if (!oneShot) t.ok(healthcheck ?? build, `${needed} says whether it is healthy`);
      }
    }
  }
});
