import unhomoglyph from 'unhomoglyph';

/** Who a player is not. Compared as looksOf() sees them, without spaces. */
const RESERVED = `
  administration sysadmin mod mods system official officials officialsupport support supportteam customersupport techsupport
  server servers staff team root operator gamemaster helpdesk security scoreboard erasedplayer deletedplayer
  админ администратор модератор система поддержка сервер`;
/** Not beside another name either. */
const RESERVED_WORDS = 'admin admins administrator administrators moderator moderators';

const SMALL_CAPITALS = Object.fromEntries(
  [...'ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ'].map((capital, i) => [capital, 'ABCDEFGHIJKLMNOPRSTUVWYZ'[i]]),
);

/** Letters in dark circles and squares, and those that make flags: Unicode's forms of compatibility do not reach them. */
const FRAMED = /[\u{1f150}-\u{1f169}\u{1f170}-\u{1f189}\u{1f1e6}-\u{1f1ff}]/gu;
const FIRST_FRAMED = [0x1f1e6, 0x1f170, 0x1f150];

function unframed(letter: string): string {
  const code = letter.codePointAt(0) ?? 0;
  const first = FIRST_FRAMED.find((start) => start <= code) ?? code;
  return String.fromCharCode('A'.charCodeAt(0) + code - first);
}

/** Most names are plain as they are, and an import has millions of them. */
const ASCII = /^[ -~]*$/;
/** What each sign of ASCII is in ASCII. */
const ASCII_LATIN = Array.from({ length: 128 }, (_, code) => unhomoglyph(String.fromCharCode(code)));

/** A text in plain letters and signs. */
const plain = (text: string): string =>
  ASCII.test(text) ? text : text.normalize('NFKD').replace(/\p{M}/gu, '').replace(FRAMED, unframed);

/** A text in letters and digits of ASCII, as far as it looks like them: by Unicode's table of what is confused. */
const latinOf = (text: string): string => (ASCII.test(text) ? asciiOf(text, ASCII_LATIN) : latinOfAny(text));
const latinOfAny = (text: string): string =>
  unhomoglyph(plain(text).replace(/[ᴀ-ᴢɪʙɢʜʟɴʀꜰꜱ]/gu, (letter) => SMALL_CAPITALS[letter] ?? letter));

function asciiOf(text: string, letters: readonly string[]): string {
  let latin = '';
  for (let i = 0; i < text.length; i++) latin += letters[text.charCodeAt(i)] ?? '';
  return latin;
}

/** Digits and signs that stand for letters, as in "@dm1n". */
const LETTERS: Record<string, string | undefined> = Object.fromEntries(
  [...'01!¡|3€4@5$7+869'].map((sign, i) => [sign, 'olllleeaassttbgg'[i]]),
);
/** The same among Cyrillic letters. */
const CYRILLIC_LETTERS: typeof LETTERS = { ...LETTERS, '1': 'и', '!': 'и' };
const ASCII_SPELLED = Array.from({ length: 128 }, (_, code) => {
  const sign = String.fromCharCode(code);
  return /[a-z\s]/i.test(sign) ? sign : (LETTERS[sign] ?? sign);
});
/** A name with fewer letters of its own is a number, as "R007". */
const LETTERS_OF_NAME = 2;

/** A text with the letters for which its digits and signs stand. */
function spelled(text: string): string {
  if (ASCII.test(text))
    return text.replaceAll(/[^a-z]/gi, '').length < LETTERS_OF_NAME ? text : asciiOf(text, ASCII_SPELLED);
  const letters = text.match(/\p{L}/gu) ?? [];
  if (letters.length < LETTERS_OF_NAME) return text;
  const meant = /\p{Script=Cyrillic}/u.test(text) ? CYRILLIC_LETTERS : LETTERS;
  return plain(text).replace(/[^\p{L}\s]/gu, (sign) => meant[sign] ?? sign);
}

/** A text as it looks at a glance. */
const looksOf = (text: string): string =>
  latinOf(text).toLowerCase().replaceAll('rn', 'm').replaceAll('i', 'l');

const words = (text: string) =>
  text.split(ASCII.test(text) ? /[^a-z0-9]+/i : /[^\p{L}\p{N}]+/u).filter((word) => word !== '');
const reservedWords = new Set(words(RESERVED_WORDS).map(looksOf));
const reserved = new Set([...words(RESERVED).map(looksOf), ...reservedWords]);
/** As guestName() makes them, in any letter case, with or without the space; a letter may look like two. */
const GUEST = /^guest[a-z0-9]{3,6}$/;
const GUEST_LENGTH = 'Guest'.length + 6;
/** Small letters that do not look like capitals, and two capitals that no id has: those of a word, if there is no digit. */
const OF_WORD = /[abdefghijkmnpqrtuyLU]/;

/** Whether a name has the length of a guest's and an end of capitals and digits; "Guest Player" has none. */
function endsLikeGuest(name: string): boolean {
  const letters = [...words(name).join('')];
  const end = letters.slice('Guest'.length).join('');
  const isApart = !/\p{N}/u.test(end) && OF_WORD.test(latinOf(end));
  return letters.length === GUEST_LENGTH && /[^\p{L}]/u.test(name) && !isApart;
}

/** Whether a name looks like one of ours: of an administrator, of the service, of an erased player or of a guest. */
export function isReserved(name: string): boolean {
  // A capital may look like a letter that its small one does not.
  return [name, name.toLowerCase(), name.toUpperCase()].some((variant) => {
    const unnumbered = variant.replace(/[\p{N}\p{P}\p{S}\s]+$/u, '');
    const looksLikeGuest = [variant, spelled(variant)].some((text) =>
      GUEST.test(words(looksOf(text)).join('')),
    );
    return (
      (looksLikeGuest && endsLikeGuest(name)) ||
      [variant, unnumbered].some((text) => isOurs(text) || isOurs(spelled(text)))
    );
  });
}

function isOurs(text: string): boolean {
  const ofName = words(looksOf(text));
  return reserved.has(ofName.join('')) || ofName.some((word) => reservedWords.has(word));
}
