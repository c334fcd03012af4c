import fc from 'fast-check';

const SURROGATES = { first: 0xd800, count: 0x800 };

/** Any character, as a unit of fc.string(). Its own unit `binary` first makes a table of all of them, which takes a second. */
export const character = fc.integer({ min: 0, max: 0x10ffff - SURROGATES.count }).map(
  (n) => String.fromCodePoint(n < SURROGATES.first ? n : n + SURROGATES.count),
  (text) => {
    const code = String(text).codePointAt(0) ?? 0;
    return code < SURROGATES.first ? code : code - SURROGATES.count;
  },
);
