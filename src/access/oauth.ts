import type { OAuthError, OAuthProblem } from '../../schemas/problem.js';
import { invalid, type Problem } from '../errors.js';

const BY_STATUS: Record<number, OAuthError> = {
  401: 'invalid_client',
  429: 'temporarily_unavailable',
  500: 'server_error',
  503: 'temporarily_unavailable',
};

const REPEATED = 'must not be repeated';

/** What an error response of OAuth 2.0 has besides: RFC 6749, section 5.2. */
export function oauthError(problem: Problem): Pick<OAuthProblem, 'error' | 'error_description'> {
  const isOtherGrant = problem.errors?.some(
    ({ path, message }) => path === '/grant_type' && message !== REPEATED,
  );
  const error = isOtherGrant
    ? 'unsupported_grant_type'
    : (BY_STATUS[problem.statusCode] ?? 'invalid_request');
  // Quotes and backslashes are not allowed there, nor is anything beyond ASCII.
  return { error, error_description: problem.message.replace(/["\\]/g, "'").replace(/[^ -~]/g, '?') };
}

/**
 * Reads the form of a token request. A parameter without a value counts as omitted (RFC 6749, section 3.2).
 * @param known parameters, which must not be repeated
 * @throws Problem `validation-failed`
 */
export function tokenRequest(
  form: readonly (readonly [name: string, value: string])[],
  known: readonly string[],
): Record<string, string> {
  for (const name of known)
    if (form.filter(([given]) => given === name).length > 1) throw invalid(`/${name}`, REPEATED);
  return Object.fromEntries(form.filter(([, value]) => value !== ''));
}

/** RFC 6749, section 2.3.1: both parts are form-encoded before they are joined. */
export function basicCredentials(header: string | undefined): [id: string, secret: string] | undefined {
  const [, encoded] = /^Basic +([\w+/]+=*)$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  const decode = (text: string) => new URLSearchParams(`x=${text}`).get('x') ?? '';
  return id === undefined || secret === undefined ? undefined : [decode(id), decode(secret)];
}

/** Whether the caller tried to name itself by HTTP Basic credentials, well formed or not. */
export const isBasic = (header = ''): boolean => /^Basic\b/i.test(header);
