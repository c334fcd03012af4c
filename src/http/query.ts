import { parse } from 'node:querystring';

/**
 * The parameters of a query string. A text that is not percent-encoded UTF-8 becomes a NUL, which the validators refuse in every
 * parameter that they know: of the others nothing is asked, and Fastify's router cannot take an exception.
 */
export const parseQuery = (query: string) => parse(query, '&', '=', { decodeURIComponent: decode });

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '\0';
  }
}
