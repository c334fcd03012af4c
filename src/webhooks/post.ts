import { lookup, Resolver } from 'node:dns/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import pLimit from 'p-limit';
import { errorCode } from '../error-code.js';
import { mayReach, type Network } from './networks.js';

/** Of one try, from the lookup of the name to the last byte of the answer. */
const TRY_MS = 15_000;
const MAX_BODY_BYTES = 16_384;

export interface Address {
  readonly address: string;
  readonly family: number;
}
export type Resolve = (name: string) => Promise<readonly Address[]>;

export interface Route {
  readonly allowed: readonly Network[];
  /** Whether only HTTPS will do. */
  readonly onlyHttps: boolean;
  readonly resolve?: Resolve;
  readonly tryMs?: number;
}

/** What a receiver has answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The beginning of it. */
  readonly body: string;
}

/** Where a webhook may not be sent. */
export class Refused extends Error {}

/** A receiver that goes on in another protocol. */
class Switched extends Error {}

/** What is wrong with a URL by itself, or null. */
export function faultOf(url: URL, { allowed, onlyHttps }: Route): string | null {
  if (url.protocol !== 'https:' && (onlyHttps || url.protocol !== 'http:'))
    return onlyHttps ? 'must begin with https://' : 'must begin with https:// or http://';
  if (url.username !== '' || url.password !== '') return 'must have no user name and no password';
  const host = hostOf(url);
  if (isIP(host) !== 0 && !mayReach(host, allowed)) return notPublic(host);
  return null;
}

/**
 * Posts to a URL, by a connection of its own to an address that was just looked up and may be reached. Redirects are answers like
 * others.
 * @throws Refused if one of the addresses may not be reached; any other Error if there is no answer in time
 */
export async function post(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  route: Route,
  stopping: AbortSignal,
): Promise<Answer> {
  const fault = faultOf(url, route);
  if (fault !== null) throw new Refused(`The URL ${fault}`);
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(route.tryMs ?? TRY_MS)]);
  try {
    const addresses = await unlessAborted(addressesOf(hostOf(url), route), signal);
    const response = await unlessAborted(answerTo(url, headers, body, addresses, signal), signal);
    return {
      status: response.statusCode ?? 0,
      headers: headersOf(response),
      body: await beginningOf(response),
    };
  } catch (error) {
    // What is cut off fails in many ways.
    signal.throwIfAborted();
    throw error;
  }
}

function answerTo(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  addresses: readonly Address[],
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const length = `${Buffer.byteLength(body)}`;
  return new Promise((resolve, reject) => {
    request(
      url,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': length },
        // A connection that is kept would lead to an address of before.
        agent: false,
        lookup: knowing(addresses),
        signal,
      },
      resolve,
    )
      .on('error', reject)
      .on('upgrade', (_response, socket) => {
        socket.destroy();
        reject(new Switched());
      })
      .on('close', () => reject(new Error('closed without an answer')))
      .end(body);
  });
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

const notPublic = (address: string): string =>
  `leads to ${address}, which is not a public address and not in WEBHOOK_ALLOW_NETWORKS`;

/** Asks name servers by itself, with limits, and so needs no thread; but it knows nothing of /etc/hosts and the system's domains. */
const nameServers = new Resolver({ timeout: 1_000, tries: 2 });

/** Whether name servers answer for this name at once, if only that they do not know it. */
async function isAnswered(name: string): Promise<boolean> {
  const answers = await Promise.allSettled([nameServers.resolve4(name), nameServers.resolve6(name)]);
  return answers.every((answer) => answer.status === 'fulfilled' || errorCode(answer.reason) !== 'ETIMEOUT');
}

/**
 * Looks names up, each once for all that ask at a time. The thread pool of Node has two threads for lookups: names that hang wait
 * for each other, so that they hold no more than one, and others do not wait for them.
 */
export function lookups(isAnswered: (name: string) => Promise<boolean>, look: Resolve): Resolve {
  const underWay = new Map<string, ReturnType<Resolve>>();
  const slow = pLimit(1);
  const lookUp: Resolve = async (name) =>
    (await isAnswered(name)) ? await look(name) : await slow(() => look(name));
  return (name) => {
    const known = underWay.get(name);
    if (known !== undefined) return known;
    const looking = lookUp(name).finally(() => underWay.delete(name));
    underWay.set(name, looking);
    return looking;
  };
}

const fromSystem = lookups(isAnswered, (name) => lookup(name, { all: true }));

/** @throws Refused */
async function addressesOf(
  host: string,
  { allowed, resolve = fromSystem }: Route,
): Promise<readonly Address[]> {
  const addresses = isIP(host) === 0 ? await resolve(host) : [{ address: host, family: isIP(host) }];
  const refused = addresses.find(({ address }) => !mayReach(address, allowed));
  if (refused !== undefined) throw new Refused(`The URL ${notPublic(refused.address)}`);
  return addresses;
}

/** In place of a lookup: the addresses that were checked. */
const knowing =
  (addresses: readonly Address[]): LookupFunction =>
  (_name, { all }, callback) => {
    const [first] = addresses;
    if (first === undefined) callback(new Error('The name has no address'), '');
    else if (all === true) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };

/** A lookup cannot be called off: it is waited for no longer. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const headersOf = ({ headers }: IncomingMessage): Answer['headers'] =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );

async function beginningOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    length += bytes.length;
    // Leaving the loop ends the connection.
    if (length >= MAX_BODY_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_BODY_BYTES);
}

/** Why there was no answer, in few words that have nothing secret of the URL. */
export function reasonOf(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (error instanceof Switched) return 'an answer in another protocol';
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'no answer in time';
  return errorCode(error) ?? 'no connection';
}
