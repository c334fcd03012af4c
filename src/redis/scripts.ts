import type { CircuitBreaker } from '../circuit-breaker.js';
import { withDeadline } from '../deadline.js';
import { ANSWER_WITHIN_MS, type RedisClient } from './connection.js';

/** Runs a script: one that fails or is not answered in time throws. The answer is not checked yet. */
type RunScript = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;
export type Scripts<Name extends string> = Readonly<Record<Name, RunScript>>;

interface Script {
  /** Null if each call may have another number. */
  readonly numberOfKeys: number | null;
  readonly lua: string;
}

/**
 * Makes Lua scripts commands of the client, which sends them by their hash, in full only to a server that does not know them.
 * @param breaker opened by a failure; while it is open, scripts throw at once
 */
export function defineScripts<Name extends string>(
  client: RedisClient,
  scripts: Readonly<Record<Name, Script>>,
  breaker?: CircuitBreaker,
): Scripts<Name> {
  const define = (name: string, { lua, numberOfKeys }: Script): RunScript => {
    client.defineCommand(`scoreboard:${name}`, { lua, ...(numberOfKeys !== null && { numberOfKeys }) });
    const command: unknown = Reflect.get(client, `scoreboard:${name}`);
    if (typeof command !== 'function') throw new Error(`Redis has no command scoreboard:${name}`);
    return async (keys, args) => {
      if (breaker?.isOpen) throw new Error('Redis has failed a moment ago');
      const given = numberOfKeys === null ? [keys.length, ...keys, ...args] : [...keys, ...args];
      try {
        return await inTime(Promise.resolve(Reflect.apply(command, client, given)));
      } catch (error) {
        breaker?.trip();
        throw error;
      }
    };
  };
  const defined: Partial<Record<Name, RunScript>> = {};
  for (const name in scripts) defined[name] = define(name, scripts[name]);
  const isWhole = (all: Partial<Record<Name, RunScript>>): all is Record<Name, RunScript> =>
    Object.keys(all).length === Object.keys(scripts).length;
  if (!isWhole(defined)) throw new Error('A script was not defined');
  return defined;
}

/** The answer of a command, or an error: a cluster also waits for connections to nodes, and for redirections. */
export const inTime = <T>(answer: Promise<T>): Promise<T> =>
  withDeadline(answer, ANSWER_WITHIN_MS, 'Redis has not answered in time');
