import { invalid } from '../errors.js';

const MAX_VISIBLE = 32;
/**
 * What a name must not contain: control characters, lone surrogates, line separators, and whatever is invisible (among it
 * every bidirectional override) but for the joiners and the two variation selectors that scripts and emoji need.
 */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u2800]|(?!\u200c|\u200d|\ufe0e|\ufe0f)[\p{Cf}\p{DI}]/u;
/** More marks on one letter than any script puts there: they would cover the lines around. */
const STACKED = /\p{M}{8}/u;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * A display name as it is stored: trimmed, in NFC.
 * @throws Problem `validation-failed` unless it has 1 to 32 visible characters and no control or bidi characters
 */
export function displayName(text: string): string {
  const name = text.normalize('NFC').trim();
  if (FORBIDDEN.test(name) || STACKED.test(name))
    throw invalid('/displayName', 'must not contain control or invisible characters');
  const visible = [...graphemes.segment(name)].length;
  // A grapheme may carry any number of accents: the code points are bounded too.
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(name) || visible > MAX_VISIBLE || [...name].length > 4 * MAX_VISIBLE) {
    throw invalid('/displayName', `must have 1 to ${MAX_VISIBLE} visible characters`);
  }
  return name;
}

/** A name for somebody who gave none, from the end of the user's id. */
export const guestName = (userId: string): string => `Guest ${userId.slice(-6).toUpperCase()}`;
