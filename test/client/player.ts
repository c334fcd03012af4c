import { type ClientOptions, createClient } from '@scoreboard/client';
import { EventSource } from 'eventsource';
import type { Test } from 'tap';

/** A client as a game has it, closed when the test ends. */
export function player(t: Test, baseUrl: string, options: Partial<ClientOptions> = {}) {
  const client = createClient({ baseUrl, eventSource: EventSource, ...options });
  t.teardown(() => client.close());
  return client;
}
