import { EventSource } from 'eventsource';

/** Node has an EventSource only behind a flag; Deno and Bun, which load this file too, always have one. */
export const platformEventSource = () => globalThis.EventSource ?? EventSource;
