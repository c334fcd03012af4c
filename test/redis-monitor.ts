import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Test } from 'tap';
import { BOARD_SCRIPTS } from '../src/leaderboard/redis-scripts.js';
import type { RedisClient } from '../src/redis/connection.js';
import { eventually } from './api.js';
import { connectTestRedis } from './redis-server.js';

/** A command or a script of ours as Redis has executed it. */
interface Command {
  /** In lower case. */
  readonly name: string;
  readonly args: readonly string[];
}

/** All that a Redis server executes, in order. */
export class RedisMonitor {
  /** What clients have sent, except for our scripts. */
  readonly commands: Command[] = [];
  readonly scripts: Command[] = [];
  /** The messages that scripts have published. */
  readonly messages: string[] = [];
  readonly #client: RedisClient;
  readonly #marks = new Set<string>();

  private constructor(monitor: Redis, client: RedisClient, names: ReadonlyMap<string, string>) {
    this.#client = client;
    monitor.on('monitor', (_time: string, [command = '', ...args]: string[], source: string) => {
      const [first = '', second = ''] = args;
      const name = command.toLowerCase();
      const script = name.startsWith('eval') ? names.get(first) : undefined;
      if (name === 'echo') this.#marks.add(first);
      else if (script !== undefined) this.scripts.push({ name: script, args: args.slice(1) });
      else if (source !== 'lua') this.commands.push({ name, args });
      else if (name === 'publish') this.messages.push(second);
    });
  }

  static async open(t: Test, url: string): Promise<RedisMonitor> {
    const client = await connectTestRedis(t, url);
    if (!('monitor' in client)) throw new Error('A cluster cannot be monitored');
    /** By what a command has of a script: its hash, or all of it, as MONITOR escapes it. */
    const names = new Map<string, string>();
    for (const [name, { lua }] of Object.entries(BOARD_SCRIPTS)) {
      names.set(JSON.stringify(lua).slice(1, -1), name);
      names.set(createHash('sha1').update(lua).digest('hex'), name);
      // Else a first call could be seen twice: by its hash, which Redis does not know, and then in full.
      await client.script('LOAD', lua);
    }
    const monitor = await client.monitor();
    t.teardown(() => monitor.disconnect());
    return new RedisMonitor(monitor, client, names);
  }

  /** Resolves when all that was executed until now has been noted. */
  async catchUp(): Promise<void> {
    const mark = randomUUID();
    await this.#client.echo(mark);
    await eventually(async () => assert(this.#marks.has(mark), 'The monitor is behind'));
  }

  /** Forgets what was executed until now. */
  async forget(): Promise<void> {
    await this.catchUp();
    for (const noted of [this.commands, this.scripts, this.messages]) noted.length = 0;
  }

  /** How many times each script was called. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { name } of this.scripts) counts[name] = (counts[name] ?? 0) + 1;
    return counts;
  }
}
