/** What a spreadsheet would take for a formula, if it were not behind an apostrophe. */
const FORMULA = /^[=+\-@\t\r]/;

/** A text that somebody else has written, as a field. */
export function textField(text: string | null): string {
  if (text === null) return '';
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Of fields that need no quotes. */
export const csvLine = (...fields: readonly (string | number | null)[]): string =>
  `${fields.map((field) => field ?? '').join(',')}\n`;
