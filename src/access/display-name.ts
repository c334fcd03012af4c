import { VISIBLE_TEXT } from '../../schemas/common.js';
import { invalid } from '../errors.js';

const MAX_VISIBLE = 32;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * A display name as it is stored: trimmed, in NFC.
 * @throws Problem `validation-failed` unless it has 1 to 32 visible characters and no control or bidi characters
 */
export function displayName(text: string): string {
  const name = text.normalize('NFC').trim();
  if (!VISIBLE_TEXT.test(name)) {
    throw invalid('/displayName', 'must show something, and hold no control or invisible characters');
  }
  const visible = [...graphemes.segment(name)].length;
  // A grapheme may carry any number of accents: the code points are bounded too.
  if (visible > MAX_VISIBLE || [...name].length > 4 * MAX_VISIBLE) {
    throw invalid('/displayName', `must have 1 to ${MAX_VISIBLE} visible characters`);
  }
  return name;
}

/** The name of a user who gave none, from the end of the user's id. */
export const guestName = (userId: string): string => `Guest ${userId.slice(-6).toUpperCase()}`;
