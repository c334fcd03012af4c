import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { invalid, Problem } from '../errors.js';

const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)/gi;
const UTF8 = /^utf-?8$/i;
/** What PostgreSQL cannot store as text, or as JSON: NUL, and half of a surrogate pair. */
const UNSTORABLE = /[\0\p{Cs}]/u;
/** What a double holds at most; a longer text of it is no number that anybody has measured. */
const MAX_DIGITS = 17;
const MAX_NUMBER_LENGTH = 400;
/** A key may be as long as the body. */
const MAX_PATH = 200;

/**
 * A JSON body as a value that is stored exactly as it came.
 * @returns undefined for an empty body: some clients send the header with every request
 * @throws Problem `malformed-json`, `unsupported-media-type`, or `validation-failed` for a number or a key that cannot be kept
 */
export function parseJson(body: Buffer, headers: IncomingHttpHeaders): unknown {
  const text = textOf(body, headers);
  if (text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Problem('malformed-json', 'The body is not JSON.', { cause });
  }
  // Nothing else can bring what is refused there.
  if (text.includes('\\u') || text.includes('__proto__')) lookInside(value);
  lookAtNumbers(text, value);
  return value;
}

/**
 * The fields of a form-encoded body, as they come.
 * @throws Problem `malformed-json`, `unsupported-media-type`
 */
export const parseForm = (body: Buffer, headers: IncomingHttpHeaders): [name: string, value: string][] =>
  textOf(body, headers)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=').map(decodeFormText);
      return [name, value.join('=')];
    });

/** @throws Problem `unsupported-media-type` if the headers say that a body is anything but UTF-8 as it is */
export function assertPlainUtf8({
  'content-type': type = '',
  'content-encoding': encoding,
}: IncomingHttpHeaders): void {
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new Problem('unsupported-media-type', 'The body must be sent without a Content-Encoding.');
  for (const [, charset = ''] of type.includes(';') ? type.matchAll(CHARSET) : []) {
    if (!UTF8.test(charset))
      throw new Problem('unsupported-media-type', 'The charset of a body must be utf-8.');
  }
}

function textOf(body: Buffer, headers: IncomingHttpHeaders): string {
  assertPlainUtf8(headers);
  if (!isUtf8(body)) throw new Problem('malformed-json', 'The body is not well-formed UTF-8.');
  const text = body.toString();
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

function decodeFormText(encoded: string): string {
  try {
    const text = decodeURIComponent(encoded.replaceAll('+', ' '));
    if (!UNSTORABLE.test(text)) return text;
  } catch {
    // It is told below.
  }
  throw new Problem('malformed-json', 'The form is not percent-encoded UTF-8 without NUL.');
}

/** A value of a body, and where it is. */
interface Found {
  readonly value: unknown;
  readonly key: string;
  readonly within: Found | null;
}

/** A value with all that is in it. Without recursion: 16 KiB can be nested deeper than the stack. */
function valuesIn(body: unknown): Found[] {
  const found: Found[] = [{ value: body, key: '', within: null }];
  for (const within of found) {
    const { value } = within;
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) found.push({ value: item, key, within });
  }
  return found;
}

/** Only of what is refused: to write the path of each of 8,000 nested values would take a quarter of a second. */
function pathOf(found: Found | undefined): string {
  const keys: string[] = [];
  for (let at = found; at?.within; at = at.within) keys.push(at.key);
  return `/${keys.reverse().join('/')}`.slice(0, MAX_PATH);
}

function lookInside(body: unknown): void {
  for (const found of valuesIn(body)) {
    const { value } = found;
    const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    if ([value, ...keys].some((text) => typeof text === 'string' && UNSTORABLE.test(text)))
      throw unstorable(pathOf(found));
    if (keys.includes('__proto__')) throw invalid(pathOf(found), 'must not have the property "__proto__"');
  }
}

const unstorable = (path: string) =>
  new Problem('malformed-json', `${path} holds \\u0000 or half of a surrogate pair.`);

/** Of a text that is JSON. JSON.parse() has lost what is looked at here, and tells it only in newer Nodes. */
function lookAtNumbers(text: string, body: unknown): void {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    if (code !== MINUS && !isDigit(code)) continue;
    const start = at;
    let hasExponent = false;
    for (let next = code; isOfNumber(next); next = text.charCodeAt(++at)) hasExponent ||= isE(next);
    if (!hasExponent && at - start < MAX_DIGITS - 1) continue;
    const number = text.slice(start, at);
    if (isExact(number)) continue;
    const found = valuesIn(body).find(({ value }) => value === Number(number));
    throw invalid(
      pathOf(found),
      `is ${number.slice(0, MAX_PATH)}, which is not kept exactly: send it as text`,
    );
  }
}

const QUOTE = 34;
const BACKSLASH = 92;
const MINUS = 45;
const isDigit = (code: number) => code >= 48 && code <= 57;
const isE = (code: number) => code === 101 || code === 69;
/** Of `+-.0123456789eE`. */
const isOfNumber = (code: number) =>
  isDigit(code) || isE(code) || code === 43 || code === MINUS || code === 46;

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((end - before) % 2 === 0) return end;
  }
}

/** Whether JavaScript's number, written with as many digits, is the number of this text. */
function isExact(text: string): boolean {
  if (text.length > MAX_NUMBER_LENGTH) return false;
  const value = Number(text);
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(value);
  const digits = digitsOf(text);
  if (digits.length > MAX_DIGITS || !Number.isFinite(value)) return false;
  return digitsOf(value.toExponential(Math.max(digits.length - 1, 0))) === digits;
}

/** Those that count: without the sign, the point, the exponent, and zeros at both ends. */
const digitsOf = (number: string): string =>
  number
    .replace(/[eE].*/, '')
    .replaceAll(/[-.]/g, '')
    .replaceAll(/^0+|0+$/g, '');
