import { EventSource } from 'eventsource';

/** Node has no EventSource unless a flag turns it on; Deno and Bun, which load this file too, have one. */
export const platformEventSource = () => globalThis.EventSource ?? EventSource;
