/** Letters with which a joiner changes the next one: their scripts are written joined up. */
const JOINED =
  '(?=[\\p{L}\\p{M}])[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Nkoo}\\p{scx=Mand}\\p{scx=Mong}\\p{scx=Adlm}\\p{scx=Rohg}]';
/** The signs that take the vowel from a letter in the scripts of India and its neighbours; a joiner shapes what follows. */
const VIRAMA =
  '[\\u094d\\u09cd\\u0a4d\\u0acd\\u0b4d\\u0bcd\\u0c4d\\u0ccd\\u0d4d\\u0dca\\u0f84\\u1039\\u103a\\u1714\\u17d2\\u1a60\\u1b44\\u1bab\\ua806\\ua8c4\\ua953\\ua9c0\\uaaf6\\uabed\\u{11046}\\u{110b9}\\u{11133}\\u{111c0}\\u{1134d}\\u{11442}\\u{114c2}\\u{1163f}]';
const EMOJI = '\\p{Extended_Pictographic}';
const MONGOLIAN = '[\\u1820-\\u18aa]';
/** England, Scotland and Wales, as the tags that stand behind a black flag. */
const NATIONS = ['eng', 'sct', 'wls'].map((nation) =>
  [...`gb${nation}`, '\x7f'].map((tag) => `\\u{e00${tag.charCodeAt(0).toString(16)}}`).join(''),
);

/** What nobody sees, but scripts and emoji need, where they need it. */
const NEEDED = new RegExp(
  [
    `(?<=${JOINED})[\\u200c\\u200d](?=${JOINED})`,
    `(?<=${VIRAMA})[\\u200c\\u200d](?=\\p{L})`,
    `(?<=\\p{L})\\u200d(?=${VIRAMA})`,
    `(?<=${EMOJI}[\\p{EMod}\\ufe0f]?)\\u200d(?=${EMOJI})`,
    // The look of an emoji, of a key with a digit, of an ideograph, of a letter of Mongolian.
    `(?<=${EMOJI})[\\ufe0e\\ufe0f]`,
    '(?<=[0-9#*])\\ufe0f(?=\\u20e3)',
    '(?<=\\p{Ideographic})[\\ufe00-\\ufe02\\u{e0100}-\\u{e01ef}]',
    `(?<=${MONGOLIAN})[\\u180b-\\u180d\\u180f]`,
    `(?<=${MONGOLIAN}[\\u180b-\\u180d\\u180f]?)\\u180e(?=${MONGOLIAN})`,
    // A vowel of Khmer.
    '(?<=[\\u1780-\\u17b3])[\\u17b4\\u17b5]',
    `(?<=\\u{1f3f4})(?:${NATIONS.join('|')})`,
  ].join('|'),
  'gu',
);
/** What Unicode calls a letter, a mark or a sign, and shows nothing: of Braille, hieroglyphs, Khitan, music, and of objects. */
const BLANKS = '\\u2800\\ufffc\\u{13441}\\u{13442}\\u{16fe4}\\u{1d159}';
/** No control or format characters, surrogates, private use, unassigned; nothing else that is invisible, and no line breaks. */
const PLAIN = new RegExp(`^[^\\p{C}\\p{DI}\\p{Zl}\\p{Zp}${BLANKS}]+$`, 'u');
/** And does not begin with a mark, which would be put on what stands before the text. */
const SHOWS = /^(?!\s*\p{M}).*[\p{L}\p{N}\p{P}\p{S}]/su;
/** More marks on one letter than any script puts there. */
const TOWER = /\p{M}{8}/u;
const EXOTIC_SPACES = /(?! {2})\p{Zs}{2}/u;

/** Whether a text shows something and nothing but what it says. */
export function isVisible(text: string): boolean {
  const seen = text.replace(NEEDED, '');
  return PLAIN.test(seen) && SHOWS.test(seen) && !TOWER.test(seen) && !EXOTIC_SPACES.test(seen);
}
