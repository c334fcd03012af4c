import { isVisible } from '../../schemas/visible-text.js';
import { invalid } from '../errors.js';
import { isReserved } from './reserved-names.js';

const MAX_VISIBLE = 32;
const ASCII = /^[ -~]*$/;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** How Malayalam and Bengali were written before Unicode had these letters, with a joiner that may stand at the end. */
const OLD_LETTERS = /[ണനരലളക]\u0d4d\u200d|ত\u09cd\u200d/gu;
const LETTERS: Record<string, string> = { ണ: 'ൺ', ന: 'ൻ', ര: 'ർ', ല: 'ൽ', ള: 'ൾ', ക: 'ൿ', ত: 'ৎ' };

/**
 * A display name as it is stored: trimmed, in NFC, with plain spaces.
 * @param path of what the name is, in the body
 * @throws Problem `validation-failed` unless it has 1 to 32 visible characters, no invisible ones but those that its script
 * needs, and does not look like a name of the service
 */
export function displayName(text: string, path = '/displayName'): string {
  const name = text
    .normalize('NFC')
    .replace(OLD_LETTERS, ([letter = '']) => LETTERS[letter] ?? letter)
    .trim();
  if (!isVisible(name)) {
    throw invalid(path, 'must show something, and hold no control or invisible characters');
  }
  const visible = ASCII.test(name) ? name.length : [...graphemes.segment(name)].length;
  // A grapheme may carry any number of accents: the code points are bounded too.
  if (visible > MAX_VISIBLE || [...name].length > 4 * MAX_VISIBLE) {
    throw invalid(path, `must have 1 to ${MAX_VISIBLE} visible characters`);
  }
  if (isReserved(name)) throw invalid(path, 'looks like a name of the service: choose another');
  return name.replace(/\p{Zs}+/gu, ' ');
}

/** The name of a user who gave none, from the end of the user's id. */
export const guestName = (userId: string): string => `Guest ${userId.slice(-6).toUpperCase()}`;
