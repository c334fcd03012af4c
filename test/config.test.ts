import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig, readDevelopmentSecrets } from '../src/config.js';
import { StartError } from '../src/start-error.js';

const JWT_SECRET = 'a secret of the tests, for tokens';
const ACTION_TOKEN_SECRET = 'another secret of the tests, for actions';
const secrets = { JWT_SECRET, ACTION_TOKEN_SECRET };
const production = {
  ...secrets,
  NODE_ENV: 'production',
  PORT: '8080',
  DATABASE_URL: 'postgres://user:password@db:5432/scoreboard',
  REDIS_MODE: 'off',
};

/** A folder that is not there yet. */
function stateDirectory(t: Test): string {
  const parent = mkdtempSync(join(tmpdir(), 'scoreboard-config-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  return join(parent, '.scoreboard');
}

function faultsOf(variables: Record<string, string | undefined>, directory?: string): string[] {
  try {
    loadConfig(variables, directory);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    const [head, ...faults] = error.message.split('\n');
    return [
      ...(head === 'The environment is not usable:' ? [] : [head ?? '']),
      ...faults.map((line) => line.replace('  - ', '')),
    ];
  }
  return [];
}

t.test('outside production nothing need be set', async (t) => {
  const config = loadConfig({}, stateDirectory(t));
  t.match(config, {
    production: false,
    NODE_ENV: 'development',
    HOST: '0.0.0.0',
    PORT: 3000,
    SERVICE_NAME: 'scoreboard-api',
    LOG_LEVEL: 'info',
    DATABASE_POOL_SIZE: 10,
    PROJECTION_MEMORY_MB: 256,
    JWT_EXPIRY: 86_400,
    REFRESH_TOKEN_TTL: 30 * 86_400,
    ACTION_TOKEN_TTL: 300,
    RATE_LIMIT_SCORE_UPDATE: 10,
    RATE_LIMIT_WINDOW_MS: 60_000,
    SSE_PING_INTERVAL: 30_000,
    SSE_FLUSH_INTERVAL_MS: 100,
    SSE_MAX_CONNECTIONS: 10_000,
    TRUST_PROXY: [],
  });
  t.notOk('DATABASE_URL' in config, 'then the service brings its own');
});

t.test('generated secrets are private, good, and the same at the next start', async (t) => {
  const directory = stateDirectory(t);
  const first = loadConfig({}, directory);
  t.ok(first.JWT_SECRET.length >= 32);
  t.ok(first.ACTION_TOKEN_SECRET.length >= 32);
  t.not(first.JWT_SECRET, first.ACTION_TOKEN_SECRET);
  t.equal(statSync(join(directory, 'secrets.json')).mode & 0o777, 0o600);
  t.same(loadConfig({}, directory), first);
  t.match(first, readDevelopmentSecrets(directory), 'and tools in the same folder find them');
  t.not(loadConfig({}, stateDirectory(t)).JWT_SECRET, first.JWT_SECRET, 'another folder has its own');
});

t.test('a secret that is set goes before a generated one', async (t) => {
  const directory = stateDirectory(t);
  const config = loadConfig({ JWT_SECRET }, directory);
  t.equal(config.JWT_SECRET, JWT_SECRET);
  t.equal(config.ACTION_TOKEN_SECRET, readDevelopmentSecrets(directory).ACTION_TOKEN_SECRET);
});

t.test('with both secrets set no file is made', async (t) => {
  const directory = stateDirectory(t);
  t.match(loadConfig(secrets, directory), secrets);
  t.notOk(existsSync(directory));
});

t.test(
  'a damaged file of secrets, or one that cannot be written, is one line that says what to do',
  async (t) => {
    const directory = stateDirectory(t);
    mkdirSync(directory);
    writeFileSync(join(directory, 'secrets.json'), '{"JWT_SECRET":');
    t.match(faultsOf({}, directory), [/^Cannot read the secrets in .*secrets\.json .*Delete that file/]);
    writeFileSync(
      join(directory, 'secrets.json'),
      JSON.stringify({ JWT_SECRET: 'short', ACTION_TOKEN_SECRET }),
    );
    t.match(faultsOf({}, directory), [/^Cannot read the secrets/]);
    t.equal(
      JSON.parse(readFileSync(join(directory, 'secrets.json'), 'utf8')).JWT_SECRET,
      'short',
      'it is not replaced',
    );
    t.match(faultsOf({}, join(directory, 'secrets.json', 'below')), [/^Cannot write .*ENOTDIR/]);
  },
);

t.test('a URL that must be percent-encoded is told without its password', async (t) => {
  const urls = { DATABASE_URL: 'postgres://me:s3cret/pa#ss@db/x', REDIS_URL: 'redis://:s3cret/pa#ss@cache' };
  const faults = faultsOf({ ...urls, REDIS_MODE: 'single' });
  t.match(faults.sort(), [
    /^DATABASE_URL is not a URL: percent-encode/,
    /^REDIS_URL is not a URL: percent-encode/,
  ]);
  t.notMatch(faults.join(), /s3cret/);
});

t.test('in production every fault is listed at once', async (t) => {
  t.same(faultsOf({ NODE_ENV: 'production' }).sort(), [
    'ACTION_TOKEN_SECRET is missing',
    'DATABASE_URL is missing',
    'JWT_SECRET is missing',
    'PORT is missing',
    'REDIS_URL is missing (without Redis, set REDIS_MODE to "off")',
  ]);
  const faults = faultsOf({
    NODE_ENV: 'production',
    PORT: '65536',
    DATABASE_URL: 'mysql://db/scoreboard',
    REDIS_MODE: 'on',
    JWT_SECRET: 'short',
    ACTION_TOKEN_SECRET: 'short',
    JWT_EXPIRY: '1 day',
    LOG_LEVEL: 'loud',
    SSE_PING_INTERVAL: '0',
    TRUST_PROXY: '10.0.0.0/33',
  });
  for (const name of [
    'PORT',
    'DATABASE_URL',
    'REDIS_MODE',
    'JWT_SECRET',
    'ACTION_TOKEN_SECRET',
    'JWT_EXPIRY',
    'LOG_LEVEL',
    'SSE_PING_INTERVAL',
    'TRUST_PROXY',
    'JWT_SECRET and ACTION_TOKEN_SECRET must differ',
  ]) {
    t.ok(
      faults.some((fault) => fault.startsWith(name)),
      name,
    );
  }
  t.same(faultsOf(production), []);
  t.match(loadConfig(production), { production: true, PORT: 8080 });
});

t.test('in production nothing is generated', async (t) => {
  const directory = stateDirectory(t);
  faultsOf({ NODE_ENV: 'production' }, directory);
  t.notOk(existsSync(directory));
});

t.test('a fault never tells a secret', async (t) => {
  const faults = faultsOf({
    ...production,
    JWT_SECRET: 'hunter2',
    DATABASE_URL: 'mysql://user:hunter2@db/x',
  });
  t.equal(faults.length, 2);
  t.notMatch(faults.join(), /hunter2/);
});

t.test('secrets must differ and have 32 characters', async (t) => {
  t.match(faultsOf({ ...production, ACTION_TOKEN_SECRET: JWT_SECRET }), [
    'JWT_SECRET and ACTION_TOKEN_SECRET must differ',
  ]);
  t.match(faultsOf({ ...secrets, ACTION_TOKEN_SECRET: JWT_SECRET }), [
    'JWT_SECRET and ACTION_TOKEN_SECRET must differ',
  ]);
  t.match(faultsOf({ ...production, JWT_SECRET: JWT_SECRET.slice(0, 31) }), [
    /^JWT_SECRET must NOT have fewer than 32 characters/,
  ]);
  t.match(faultsOf({ ...production, JWT_SECRET_PREVIOUS: 'old' }), [
    /^JWT_SECRET_PREVIOUS must NOT have fewer/,
  ]);
});

t.test('an empty variable is one that is not set', async (t) => {
  const empty = {
    JWT_EXPIRY: '',
    LOG_LEVEL: '',
    TRUST_PROXY: '',
    JWT_SECRET_PREVIOUS: '',
    SSE_PING_INTERVAL: '',
  };
  const config = loadConfig({ ...production, ...empty });
  t.match(config, { JWT_EXPIRY: 86_400, LOG_LEVEL: 'info', TRUST_PROXY: [], SSE_PING_INTERVAL: 30_000 });
  t.notOk('JWT_SECRET_PREVIOUS' in config);
  t.same(faultsOf({ ...production, JWT_SECRET: '' }), ['JWT_SECRET is missing']);
});

t.test('durations are seconds, or say their unit', async (t) => {
  for (const [text, seconds] of Object.entries({
    90: 90,
    '90s': 90,
    '15m': 900,
    '24h': 86_400,
    '30d': 2_592_000,
  })) {
    t.equal(loadConfig({ ...secrets, JWT_EXPIRY: text }).JWT_EXPIRY, seconds, text);
    t.equal(loadConfig({ ...secrets, REFRESH_TOKEN_TTL: text }).REFRESH_TOKEN_TTL, seconds, text);
  }
  for (const text of ['0', '-1', '1.5h', '1w', 'h', '1h30m', '24 h', '9999999999']) {
    t.match(faultsOf({ ...secrets, JWT_EXPIRY: text }), [/^JWT_EXPIRY must match pattern/], text);
  }
});

t.test('what is surely a mistake is refused, with the reason in words', async (t) => {
  const refused: [Record<string, string>, RegExp][] = [
    [
      { SSE_PING_INTERVAL: '30' },
      /^SSE_PING_INTERVAL must be >= 1000 \(it is in milliseconds: a second is 1000\)$/,
    ],
    [{ SSE_STALL_TIMEOUT_MS: '30' }, /^SSE_STALL_TIMEOUT_MS must be >= 1000 \(it is in milliseconds/],
    [{ SSE_FLUSH_INTERVAL_MS: '1' }, /^SSE_FLUSH_INTERVAL_MS must be >= 10 \(/],
    [{ REDIS_SYNC_INTERVAL: '300' }, /^REDIS_SYNC_INTERVAL must be >= 1000 \(/],
    [{ RATE_LIMIT_WINDOW_MS: '1' }, /^RATE_LIMIT_WINDOW_MS must be >= 1000 \(/],
    [{ RATE_LIMIT_WINDOW_MS: '60000000000' }, /^RATE_LIMIT_WINDOW_MS must be <= 86400000 \(/],
    [{ EVENTS_RETENTION: '2 years' }, /^EVENTS_RETENTION must match .* \(like 24 months or 730d\)$/],
    [{ EVENTS_RETENTION: '24h' }, /^EVENTS_RETENTION must be a day longer than ACTION_TOKEN_TTL/],
    [{ EVENTS_RETENTION: '30d', ACTION_TOKEN_TTL: '2592000' }, /^EVENTS_RETENTION must be a day longer/],
    [{ ACTION_TOKEN_TTL: '5' }, /^ACTION_TOKEN_TTL must be >= 10 \(it is in seconds/],
    [{ ACTION_TOKEN_TTL: '300000000' }, /^ACTION_TOKEN_TTL must be <= 2592000 \(it is in seconds/],
    [
      { PROJECTION_MEMORY_MB: '268435456' },
      /^PROJECTION_MEMORY_MB must be <= 1048576 \(it is in megabytes\)$/,
    ],
    [{ DATABASE_POOL_SIZE: '100000' }, /^DATABASE_POOL_SIZE must be <= 1000$/],
    [{ JWT_EXPIRY: '99999d' }, /^JWT_EXPIRY must be from a minute \(1m\) to 90 days \(90d\)$/],
    [{ JWT_EXPIRY: '15' }, /^JWT_EXPIRY must be from a minute/],
    [{ REFRESH_TOKEN_TTL: '99999d' }, /^REFRESH_TOKEN_TTL must be from a minute \(1m\) to ten years/],
    [{ REFRESH_TOKEN_TTL: '30' }, /^REFRESH_TOKEN_TTL must be from a minute/],
    [{ JWT_SECRET: 'x'.repeat(64) }, /^JWT_SECRET repeats itself, .* "openssl rand -hex 32"$/],
    [{ ACTION_TOKEN_SECRET: 'secret phrase, '.repeat(4) }, /^ACTION_TOKEN_SECRET repeats itself/],
    [{ JWT_SECRET_PREVIOUS: '0123'.repeat(8) }, /^JWT_SECRET_PREVIOUS repeats itself/],
    [
      { JWT_SECRET_PREVIOUS: ACTION_TOKEN_SECRET },
      /^JWT_SECRET_PREVIOUS and ACTION_TOKEN_SECRET must differ$/,
    ],
    [{ HOST: 'http://localhost' }, /^HOST must match .* \(an address or a name to listen on\)$/],
    [{ DATABASE_URL: 'db.internal/scoreboard' }, /^DATABASE_URL must match .* \(like postgres:\/\/user/],
    [{ REDIS_URL: 'redis://a,redis://b' }, /^REDIS_URL names several nodes: for a cluster, set REDIS_MODE/],
    [{ DATABASE_DIRECT_URL: 'postgres://db/x' }, /^DATABASE_DIRECT_URL goes with a DATABASE_URL/],
  ];
  for (const [wrong, reason] of refused)
    t.match(faultsOf({ ...secrets, ...wrong }), [reason], JSON.stringify(wrong));
  const hex = '0123456789abcdef0123456789abcdee';
  t.same(faultsOf({ ...secrets, JWT_SECRET: hex, JWT_EXPIRY: '90d', SSE_PING_INTERVAL: '1000' }), []);
});

t.test('a password in a URL must be percent-encoded where it would be read as something else', async (t) => {
  const url = (password: string) => `postgres://me:${password}@db.internal/scoreboard`;
  for (const password of ['12/34', '12?34', 'a#b', '100%sure', 'a/b', '1#2'])
    for (const name of ['DATABASE_URL', 'DATABASE_REPLICA_URL', 'REDIS_URL']) {
      const value = name === 'REDIS_URL' ? url(password).replace('postgres', 'redis') : url(password);
      const faults = faultsOf({ ...secrets, [name]: value });
      t.match(faults, [new RegExp(`^${name} is not a URL: percent-encode`)], `${name} ${password}`);
      t.notMatch(faults.join(), password);
    }
  for (const password of ['12%2F34', 'a:b', 'a@b', '%40%25', '!$&()*+,;=~'])
    t.same(faultsOf({ ...secrets, DATABASE_URL: url(password) }), [], password);
});

t.test('NODE_ENV is one of three, and nothing is made or told before it is', async (t) => {
  const directory = stateDirectory(t);
  for (const NODE_ENV of ['Production', 'prod', 'staging', 'dev'])
    t.same(faultsOf({ NODE_ENV, PORT: 'x' }, directory), [
      `NODE_ENV is "${NODE_ENV}", but must be production, development or test.`,
    ]);
  t.notOk(existsSync(directory));
  for (const NODE_ENV of ['development', 'test', ''])
    t.match(loadConfig({ ...secrets, NODE_ENV }), { production: false });
});

t.test('whole numbers stay in their range', async (t) => {
  for (const [name, value] of Object.entries({
    PORT: '-1',
    DATABASE_POOL_SIZE: '3',
    PROJECTION_MEMORY_MB: '0',
    ACTION_TOKEN_TTL: '0',
    RATE_LIMIT_READ: '1.5',
    SSE_FLUSH_INTERVAL_MS: '3000000000',
    SSE_MAX_CONNECTIONS: 'many',
  })) {
    t.match(faultsOf({ ...secrets, [name]: value }), [new RegExp(`^${name} must be `)], name);
  }
});

t.test('TRUST_PROXY lists addresses and CIDR ranges', async (t) => {
  const list = (text: string) => loadConfig({ ...secrets, TRUST_PROXY: text }).TRUST_PROXY;
  t.same(list('10.0.0.0/8'), ['10.0.0.0/8']);
  t.same(list(' 127.0.0.1, ::1 ,fc00::/7,'), ['127.0.0.1', '::1', 'fc00::/7']);
  for (const text of ['true', '1', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', 'fc00::/129', 'proxy.local']) {
    t.match(
      faultsOf({ ...secrets, TRUST_PROXY: text }),
      [/^TRUST_PROXY: ".*" is not an address or a CIDR range$/],
      text,
    );
  }
});

t.test('a collector of traces has a URL', async (t) => {
  const endpoint = (OTEL_EXPORTER_OTLP_ENDPOINT: string) => ({ ...secrets, OTEL_EXPORTER_OTLP_ENDPOINT });
  t.match(loadConfig(endpoint('http://collector:4318')), endpoint('http://collector:4318'));
  t.match(faultsOf(endpoint('collector:4318')), [/^OTEL_EXPORTER_OTLP_ENDPOINT must match pattern/]);
  t.same(faultsOf(endpoint('http://a b')), ['OTEL_EXPORTER_OTLP_ENDPOINT is not a URL']);
});

t.test(
  'CORS_ORIGINS lists origins as browsers send them; in production none, unless it says so',
  async (t) => {
    const origins = (CORS_ORIGINS: string, variables: Record<string, string> = secrets) =>
      loadConfig({ ...variables, CORS_ORIGINS }).CORS_ORIGINS;
    t.same(origins(''), ['*']);
    t.same(origins('', production), []);
    t.same(origins('*', production), ['*']);
    const listed = ['https://play.example', 'http://localhost:8080'];
    t.same(origins(listed.join(', ')), listed);
    for (const bad of [
      'play.example',
      'https://play.example/',
      'https://Play.example',
      'https://play.example:443',
      'https://*.play.example',
      'null',
      'file:///x',
      'https://a.example https://b.example',
    ])
      t.match(
        faultsOf({ ...secrets, CORS_ORIGINS: `https://play.example,${bad}` }),
        [/^CORS_ORIGINS: ".*" is not an origin like https:\/\/play\.example$/],
        bad,
      );
  },
);
