import assert from 'node:assert/strict';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { DestinationStream } from 'pino';
import type { Test } from 'tap';
import { FORMATS } from '../schemas/common.js';
import { NAMED_SCHEMAS } from '../schemas/index.js';
import { ProblemDocument } from '../schemas/problem.js';
import type { Scope } from '../schemas/scope.js';
import { Session } from '../schemas/session.js';
import type { AppConfig } from '../src/config.js';
import { PROBLEMS, type ProblemCode } from '../src/errors.js';
import { newId } from '../src/ids.js';
import { buildTestApp, type TestApp } from './helper.js';

/**
 * The API as its callers see it: real HTTP. Every answer is held against the OpenAPI document of the service: a status
 * that the operation does not document, or a body off its schema, fails the test, whatever the test was about. That is why
 * tests do not call the API through the SDK, which trusts the service and cannot send a wrong request.
 */

const Text = Type.String({ minLength: 1 });
const Content = Type.Record(Type.String(), Type.Object({ schema: Type.Unknown(), example: Type.Unknown() }));
export const Operation = Type.Object({
  operationId: Text,
  summary: Text,
  description: Type.Optional(Text),
  tags: Type.Array(Text, { minItems: 1 }),
  security: Type.Array(Type.Record(Type.String(), Type.Array(Text))),
  parameters: Type.Optional(
    Type.Array(Type.Object({ name: Text, in: Text, required: Type.Boolean(), schema: Type.Unknown() })),
  ),
  requestBody: Type.Optional(Type.Object({ required: Type.Boolean(), content: Content })),
  responses: Type.Record(Type.String(), Type.Object({ description: Text, content: Type.Optional(Content) })),
});
export type Operation = Static<typeof Operation>;
const Document = Type.Object({
  openapi: Text,
  components: Type.Unknown(),
  paths: Type.Record(Type.String(), Type.Record(Type.String(), Operation)),
});
export type Document = Static<typeof Document>;

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
for (const [name, format] of Object.entries(FORMATS)) ajv.addFormat(name, format);
// Stricter than RFC 3339: the contract wants UTC and milliseconds.
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
for (const schema of NAMED_SCHEMAS) ajv.addSchema(schema);

/** @throws AssertionError if the value is not as the schema says */
export function conform<T extends TSchema>(
  schema: T,
  value: unknown,
  what: string,
): asserts value is Static<T> {
  const validate = ajv.compile<Static<T>>(schema);
  assert(validate(value), `${what}: ${ajv.errorsText(validate.errors)}`);
}

const CHALLENGE = /^(Bearer|Basic realm="[\w-]+", charset="UTF-8")$/;

/** What came back. */
export class Answer {
  readonly #what: string;
  readonly status: number;
  readonly headers: Headers;
  /** Parsed if it is JSON, else text; undefined if there was none. */
  readonly body: unknown;

  constructor(what: string, { status, headers }: Response, body: unknown) {
    this.#what = `${what} → ${status} ${JSON.stringify(body)}`;
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** The body of a success. */
  is<T extends TSchema>(status: number, schema: T): Static<T> {
    const { body } = this;
    assert.equal(this.status, status, this.#what);
    conform(schema, body, this.#what);
    return body;
  }

  isEmpty(status: number): void {
    assert.equal(this.status, status, this.#what);
    assert.equal(this.body, undefined, this.#what);
  }

  /** The body of a failure, which is all that a problem document must be. */
  fails(code: ProblemCode): ProblemDocument {
    const problem = this.problem();
    assert.equal(problem.code, code, this.#what);
    return problem;
  }

  problem(): ProblemDocument {
    const { body, headers } = this;
    conform(ProblemDocument, body, this.#what);
    const code = Object.keys(PROBLEMS).find((known) => known === body.code);
    assert(code !== undefined, `${this.#what}: an unknown code`);
    assert.match(headers.get('content-type') ?? '', /^application\/problem\+json\b/, this.#what);
    assert.equal(body.status, this.status, this.#what);
    assert.equal(body.type, `urn:scoreboard:problem:${code}`, this.#what);
    assert(body.title !== '' && body.detail !== '', this.#what);
    assert.equal(body.requestId, headers.get('x-request-id'), this.#what);
    assert.match(headers.get('www-authenticate') ?? '', this.status === 401 ? CHALLENGE : /^$/, this.#what);
    const mayRetry = this.status === 429 || this.status === 503;
    assert.match(headers.get('retry-after') ?? '', mayRetry ? /^[1-9]\d*$/ : /^$/, this.#what);
    return body;
  }
}

interface Request {
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: RequestInit['body'];
  readonly headers?: Record<string, string>;
}

/** A caller: nobody in particular, or whoever the access token names. */
export class Api {
  readonly url: string;
  readonly document: Document;
  readonly #token: string | undefined;

  constructor(url: string, document: Document, token?: string) {
    this.url = url;
    this.document = document;
    this.#token = token;
  }

  as(token: string): Api {
    return new Api(this.url, this.document, token);
  }

  /** The same caller at another instance. */
  at(url: string): Api {
    return new Api(url, this.document, this.#token);
  }

  get = (path: string, headers?: Record<string, string>) =>
    this.send('GET', path, { ...(headers && { headers }) });
  post = (path: string, json?: unknown) => this.send('POST', path, { json });
  put = (path: string, json?: unknown) => this.send('PUT', path, { json });
  patch = (path: string, json?: unknown) => this.send('PATCH', path, { json });
  delete = (path: string) => this.send('DELETE', path);

  async send(method: string, path: string, { json, body, headers }: Request = {}): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      redirect: 'manual',
      // For bodies that are streams.
      duplex: 'half',
      headers: {
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
        ...headers,
      },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
    const parsed: unknown = isJson ? JSON.parse(text) : text === '' ? undefined : text;
    const answer = new Answer(`${method} ${path}`, response, parsed);
    this.#check(method, path.split('?')[0] ?? '', answer);
    return answer;
  }

  #check(method: string, path: string, answer: Answer): void {
    const what = `${method} ${path} → ${answer.status}`;
    assert(answer.headers.has('x-request-id'), `${what} without x-request-id`);
    // What is the same for everybody may be kept, to be asked about; anything else is personal.
    const isShared = /^\/v1\/leaderboards\/[^/]+\/entries$/.test(path) && answer.status < 400;
    const cached = answer.headers.get('cache-control') ?? '';
    if (path.startsWith('/v1'))
      assert.match(
        cached,
        isShared ? /^no-cache$|^public, max-age=31536000, immutable$/ : /^no-store$/,
        what,
      );
    const operation = findOperation(this.document, method, path);
    if (operation === undefined) {
      if (path.startsWith('/v1')) assert.equal(answer.problem().instance, path);
      return;
    }
    const documented = operation.responses[answer.status];
    assert(documented !== undefined, `${what} is not in the document`);
    if (documented.content === undefined) {
      assert.equal(answer.body, undefined, what);
      return;
    }
    const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
    const media = documented.content[type];
    assert(media !== undefined, `${what} of type ${type} is not in the document`);
    // A text may be empty: a board without entries, as lines.
    conform(inDocument(this.document, media.schema), answer.body ?? '', what);
    if (type !== 'application/problem+json') return;
    const { code, instance } = answer.problem();
    assert.equal(instance, path, what);
    assert(documented.description.includes(`\`${code}\``), `${what}: ${code} is not in the document`);
  }
}

const standalone = new Map<string, TSchema>();

/** A schema of the document, with those that it may refer to; for an equal one the same again, since each is compiled once. */
function inDocument({ components }: Document, schema: unknown): TSchema {
  const text = JSON.stringify(schema);
  const known = standalone.get(text) ?? Type.Unsafe({ components, ...Object(schema) });
  standalone.set(text, known);
  return known;
}

/** The operation for a path, literal parts before parameters. */
export function findOperation({ paths }: Document, method: string, path: string): Operation | undefined {
  const parts = path.split('/');
  const fits = (template: string) => {
    const wanted = template.split('/');
    return (
      wanted.length === parts.length && wanted.every((part, i) => part.startsWith('{') || part === parts[i])
    );
  };
  const [template] = Object.keys(paths)
    .filter(fits)
    .sort((a, b) => a.split('{').length - b.split('{').length);
  return template === undefined ? undefined : paths[template]?.[method.toLowerCase()];
}

let ofThisCode: Document | undefined;

/** The OpenAPI document, which is the same for every service of this process. */
export function documentOf({ app }: Pick<TestApp, 'app'>): Document {
  if (ofThisCode === undefined) {
    const document: unknown = app.swagger();
    conform(Document, document, 'the OpenAPI document');
    ofThisCode = document;
  }
  return ofThisCode;
}

/** The service on a database of its own, and somebody who calls it without a token. */
export async function startApi(t: Test, overrides: Partial<AppConfig> = {}, log?: DestinationStream) {
  const service = await buildTestApp(t, overrides, log);
  return { ...service, api: new Api(service.url, documentOf(service)) };
}

/** A guest, and its calls. */
export async function newPlayer(api: Api, displayName = 'Ada') {
  const session = (await api.post('/v1/auth/guest', { displayName })).is(201, Session);
  return { id: session.user.id, session, api: api.as(session.accessToken) };
}

/** The calls of a service account. */
export async function serviceApi({ app, api }: { app: TestApp['app']; api: Api }, role: 'server' | 'admin') {
  const { id } = await app.serviceAccounts.create(`test ${role} ${performance.now()}`, role);
  return api.as(app.accessTokens.issue({ sub: id, role }).token);
}

/** The calls of a service account that has these scopes. */
export async function scopedApi({ app, api }: { app: TestApp['app']; api: Api }, scopes: readonly Scope[]) {
  const { id } = await app.serviceAccounts.create(`test scopes ${newId('svc')}`, 'server');
  return api.as(app.accessTokens.issue({ sub: id, scope: scopes.join(' ') }).token);
}

/** Resolves when every board that is open on these instances is read from its projection. */
export const projected = (...apps: readonly TestApp['app'][]): Promise<void> =>
  eventually(async () => {
    for (const app of apps) assert(app.boards.projections().every(({ isReady }) => isReady));
  });

/** Asks again until it is so. That takes moments; the ceiling is for a machine that has much else to do. */
export async function eventually<T>(ask: () => Promise<T>, ceilingMs = 20_000): Promise<T> {
  for (const deadline = performance.now() + ceilingMs; ; ) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
