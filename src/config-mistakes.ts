type Variables = Record<string, string | undefined>;

/** Far below what 32 random characters of any alphabet hold, and above what a finger on a key makes. */
const FEWEST_CHARACTERS = 8;
const REPEATED = /^(.{1,32}?)\1+$/s;
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const DAY = 86_400;

/** The least and the most that is meant, in seconds. A token that lives for years cannot be taken back by a change of its secret. */
const LIFETIMES = {
  JWT_EXPIRY: { least: 60, most: 90 * DAY, range: 'from a minute (1m) to 90 days (90d)' },
  REFRESH_TOKEN_TTL: { least: 60, most: 3_650 * DAY, range: 'from a minute (1m) to ten years (3650d)' },
};
const JWT_SECRETS = ['JWT_SECRET', 'JWT_SECRET_PREVIOUS'];
const ACTION_SECRETS = ['ACTION_TOKEN_SECRET', 'ACTION_TOKEN_SECRET_PREVIOUS'];

/** Seconds, or a number and a unit. */
export const DURATION = /^([1-9][0-9]{0,8}s?|[1-9][0-9]{0,4}[mhd])$/;

/** `'24h'` → 86,400. A number alone is seconds already. */
export function seconds(duration: string): number {
  const unit = UNITS[duration.slice(-1)];
  return unit === undefined ? Number(duration) : Number(duration.slice(0, -1)) * unit;
}

/** Months, or any other duration. */
export const RETENTION = new RegExp(`^([1-9][0-9]{0,3} ?months?)$|${DURATION.source}`);

/** `'24 months'` → seconds, where a month has 31 days: rather too long than too short. */
export const retention = (text: string): number =>
  text.includes('month') ? Number.parseInt(text, 10) * 31 * DAY : seconds(text);

/** Values that have the right form, and are surely not what was meant: each in words, without the value of a secret. */
export function mistakes(variables: Variables): string[] {
  return [
    ...ofSecrets(variables),
    ...ofLifetimes(variables),
    ...ofRetention(variables),
    ...urlMistakes(variables),
  ];
}

function* ofSecrets(variables: Variables): Generator<string> {
  for (const name of [...JWT_SECRETS, ...ACTION_SECRETS]) {
    const secret = variables[name] ?? '';
    // One that is too short is told already.
    if (secret.length >= 32 && (new Set(secret).size < FEWEST_CHARACTERS || REPEATED.test(secret)))
      yield `${name} repeats itself, so it can be guessed: make one with "openssl rand -hex 32"`;
  }
  for (const jwt of JWT_SECRETS)
    for (const action of ACTION_SECRETS)
      if (variables[jwt] !== undefined && variables[jwt] === variables[action])
        yield `${jwt} and ${action} must differ`;
}

function* ofLifetimes(variables: Variables): Generator<string> {
  for (const [name, { least, most, range }] of Object.entries(LIFETIMES)) {
    const value = variables[name] ?? '';
    // Another form is told already.
    if (!DURATION.test(value)) continue;
    const lifetime = seconds(value);
    if (lifetime < least || lifetime > most) yield `${name} must be ${range}`;
  }
}

/** How long a consumed token is remembered is said in src/ledger/purge-tokens.ts. */
function* ofRetention({ EVENTS_RETENTION = '', ACTION_TOKEN_TTL = '300' }: Variables): Generator<string> {
  if (RETENTION.test(EVENTS_RETENTION) && retention(EVENTS_RETENTION) < Number(ACTION_TOKEN_TTL) + DAY)
    yield 'EVENTS_RETENTION must be a day longer than ACTION_TOKEN_TTL: a replayed token is told from its event';
}

/** Addresses that cannot be taken for what they are meant to be. */
export function* urlMistakes(variables: Variables): Generator<string> {
  for (const name of ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_REPLICA_URL', 'REDIS_URL']) {
    const urls = variables[name]?.split(name === 'REDIS_URL' ? ',' : '\n') ?? [];
    const [scheme = ''] = variables[name]?.split('://') ?? [];
    // Another scheme is told already.
    if (!/^(postgres(ql)?|rediss?)$/.test(scheme) || urls.every((url) => isMeant(url.trim()))) continue;
    if (urls.some((url) => NO_HOST.test(url))) {
      yield `${name} has a user, but no host: name one, or a socket like postgres://user:password@%2Fvar%2Frun%2Fpostgresql/scoreboard`;
      continue;
    }
    yield `${name} is not a URL: percent-encode what is special in its user and password (@ as %40, / as %2F, # as %23, % as %25)`;
  }
}

/** libpq takes this, with the folder of a socket in `?host=`; a URL it is not. */
const NO_HOST = /^\s*\w+:\/\/[^/@]*@\//;

/** Whether all of it was taken for what it is: a special character in a password ends the password, or the host, too early. */
function isMeant(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password, pathname, search, hash } = new URL(url);
  try {
    decodeURIComponent(username + password);
  } catch {
    return false;
  }
  return hash === '' && !`${pathname}${search}`.includes('@');
}
