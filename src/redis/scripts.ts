import { ANSWER_WITHIN_MS, type RedisClient } from './connection.js';

/** Runs a script: one that fails or is not answered in time throws. The answer is not checked yet. */
type RunScript = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;
export type Scripts<Name extends string> = Readonly<Record<Name, RunScript>>;

interface Script {
  readonly numberOfKeys: number;
  readonly lua: string;
}

/** Makes Lua scripts commands of the client, which sends them by their hash, in full only to a server that does not know them. */
export function defineScripts<Name extends string>(
  client: RedisClient,
  scripts: Readonly<Record<Name, Script>>,
): Scripts<Name> {
  const define = (name: string, script: Script): RunScript => {
    client.defineCommand(`scoreboard:${name}`, script);
    const command: unknown = Reflect.get(client, `scoreboard:${name}`);
    if (typeof command !== 'function') throw new Error(`Redis has no command scoreboard:${name}`);
    return (keys, args) => inTime(Promise.resolve(Reflect.apply(command, client, [...keys, ...args])));
  };
  const defined: Partial<Record<Name, RunScript>> = {};
  for (const name in scripts) defined[name] = define(name, scripts[name]);
  const isWhole = (all: Partial<Record<Name, RunScript>>): all is Record<Name, RunScript> =>
    Object.keys(all).length === Object.keys(scripts).length;
  if (!isWhole(defined)) throw new Error('A script was not defined');
  return defined;
}

/** The answer of a command, or an error: a cluster also waits for connections to nodes, and for redirections. */
export async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis has not answered in time')), ANSWER_WITHIN_MS);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
