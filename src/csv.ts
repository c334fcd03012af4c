/**
 * What a spreadsheet would take for a formula, if it were not behind an apostrophe. One that has apostrophes of its own gets another
 * one, so that a reader of the file knows which one to leave out.
 */
const FORMULA = /^'*[=+\-@\t\r]/;
/** The apostrophe that is none of the text. */
const GUARD = /^'(?='*[=+\-@\t\r])/;

/** A text that somebody else has written, as a field. */
export function textField(text: string | null): string {
  if (text === null) return '';
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The text of a field as textField() has written it, without the quotes. */
export const fieldText = (field: string): string => field.replace(GUARD, '');

/** Of fields that need no quotes. */
export const csvLine = (...fields: readonly (string | number | null)[]): string =>
  `${fields.map((field) => field ?? '').join(',')}\n`;
