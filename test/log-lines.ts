import assert from 'node:assert/strict';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { eventually } from './api.js';

/** The shape of the deployment specification, and nothing beside it. */
const LogLine = Type.Object(
  {
    timestamp: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' }),
    level: Type.Union(['trace', 'debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level))),
    service: Type.String({ minLength: 1 }),
    requestId: Type.Optional(Type.String()),
    userId: Type.Optional(Type.String({ pattern: '^(usr|svc)_' })),
    message: Type.String({ minLength: 1 }),
    data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { additionalProperties: false },
);
export type LogLine = Static<typeof LogLine>;

/** Takes down what a service logs; each line must be of the shape that operators expect. */
export class LogLines {
  #text = '';

  write(text: string): void {
    this.#text += text;
  }

  get text(): string {
    return this.#text;
  }

  get all(): LogLine[] {
    return this.#text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Value.Parse(LogLine, JSON.parse(line)));
  }

  of(message: string): LogLine[] {
    return this.all.filter((line) => line.message === message);
  }

  /** The first line of the event, waited for if it has not come yet. */
  async first(message: string): Promise<LogLine> {
    return eventually(async () => {
      const [line] = this.of(message);
      assert(line !== undefined, `no line "${message}"`);
      return line;
    });
  }
}
