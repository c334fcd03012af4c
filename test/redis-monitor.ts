import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
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

/** A script, and the names of the commands that it has called. */
interface Script extends Command {
  readonly calls: string[];
}

/** `+1700000000.000001 [0 127.0.0.1:50000] "get" "key"`; commands of scripts have `lua` in place of an address. */
const EXECUTED = /^\+[\d.]+ \[\d+ ([^\]]+)\] (".*")$/;
const QUOTED = /"((?:[^"\\]|\\.)*)"/g;
const ESCAPED = /\\(?:x([\da-f]{2})|(.))/g;
const CONTROLS: Record<string, string> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };

const unescaped = (text: string): string =>
  text.replace(ESCAPED, (_, hex: string | undefined, letter = '') =>
    hex === undefined ? (CONTROLS[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  );

/**
 * All that a Redis server executes, in order.
 *
 * Read from a socket: a command that comes before the answer to MONITOR puts the order of ioredis out.
 */
export class RedisMonitor {
  /** What clients have sent, except for our scripts. */
  readonly commands: Command[] = [];
  readonly scripts: Script[] = [];
  /** The messages that scripts have published. */
  readonly messages: string[] = [];
  readonly #client: RedisClient;
  /** Of our scripts, by what a command has of one: its hash, or all of it. */
  readonly #names: ReadonlyMap<string, string>;
  readonly #marks = new Set<string>();
  /** Commands that a script calls come after it, and before anything else. */
  #calls: string[] = [];

  private constructor(client: RedisClient, names: ReadonlyMap<string, string>) {
    this.#client = client;
    this.#names = names;
  }

  /** @param url of a server without a password */
  static async open(t: Test, url: string): Promise<RedisMonitor> {
    const client = await connectTestRedis(t, url);
    const names = new Map<string, string>();
    for (const [name, { lua }] of Object.entries(BOARD_SCRIPTS)) {
      names.set(lua, name);
      names.set(createHash('sha1').update(lua).digest('hex'), name);
      // Else a first call could be seen twice: by its hash, which Redis does not know, and then in full.
      await client.script('LOAD', lua);
    }
    const monitor = new RedisMonitor(client, names);
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    t.teardown(() => socket.destroy());
    socket.write('MONITOR\r\n');
    const lines = createInterface(socket);
    lines.on('line', (line) => monitor.#note(line));
    assert.deepEqual(await once(lines, 'line'), ['+OK']);
    return monitor;
  }

  #note(line: string): void {
    const [, source, quoted] = EXECUTED.exec(line) ?? [];
    if (quoted === undefined) return;
    const [command = '', ...args] = [...quoted.matchAll(QUOTED)].map(([, text = '']) => unescaped(text));
    const [first = '', second = ''] = args;
    const name = command.toLowerCase();
    if (source === 'lua') {
      this.#calls.push(name);
      if (name === 'publish') this.messages.push(second);
      return;
    }
    this.#calls = [];
    const script = name.startsWith('eval') ? this.#names.get(first) : undefined;
    if (name === 'echo') this.#marks.add(first);
    else if (script !== undefined)
      this.scripts.push({ name: script, args: args.slice(1), calls: this.#calls });
    else this.commands.push({ name, args });
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
