import unhomoglyph from 'unhomoglyph';

/** Who a player is not. Compared as looksOf() sees them, without spaces. */
const RESERVED = `
  administration sysadmin mod mods system official officials officialsupport support supportteam customersupport techsupport
  server servers staff team root operator gamemaster helpdesk security scoreboard erasedplayer deletedplayer
  админ администратор модератор система поддержка сервер`;
/** Not beside another name either. */
const RESERVED_WORDS = 'admin admins administrator administrators moderator moderators';

const SMALL_CAPITALS = Object.fromEntries(
  [...'ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ'].map((capital, i) => [capital, 'abcdefghijklmnoprstuvwyz'[i]]),
);

/** A text as it looks at a glance: letters that are confused are one, by Unicode's table, and accents are overlooked. */
function looksOf(text: string): string {
  const letters = text.normalize('NFKD').replace(/\p{M}/gu, '');
  const latin = letters.replace(/[ᴀ-ᴢɪʙɢʜʟɴʀꜰꜱ]/gu, (letter) => SMALL_CAPITALS[letter] ?? letter);
  return unhomoglyph(latin).toLowerCase().replaceAll('rn', 'm').replaceAll('i', 'l');
}

const words = (text: string) => text.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
const reservedWords = new Set(words(RESERVED_WORDS).map(looksOf));
const reserved = new Set([...words(RESERVED).map(looksOf), ...reservedWords]);
/** As guestName() makes them, in any letter case, with or without the space; a letter may look like two. */
const GUEST = /^guest[a-z0-9]{3,6}$/;
const GUEST_LENGTH = 'Guest'.length + 6;

/** Whether a name looks like one of ours: of an administrator, of the service, of an erased player or of a guest. */
export function isReserved(name: string): boolean {
  // A capital may look like a letter that its small one does not.
  return [name, name.toLowerCase(), name.toUpperCase()].some((variant) => {
    const whole = words(looksOf(variant)).join('');
    const unnumbered = words(looksOf(variant.replace(/[\p{N}\p{P}\p{S}\s]+$/u, ''))).join('');
    return (
      reserved.has(whole) ||
      reserved.has(unnumbered) ||
      words(looksOf(variant)).some((word) => reservedWords.has(word)) ||
      (GUEST.test(whole) && [...words(variant).join('')].length === GUEST_LENGTH && /[^\p{L}]/u.test(variant))
    );
  });
}
