/** The text of a field, without spaces at its ends. */
export function textIn(data: FormData, name: string): string {
  const value = data.get(name);
  return typeof value === 'string' ? value.trim() : '';
}

/** The number of a field; undefined if it is empty. */
export function numberIn(data: FormData, name: string): number | undefined {
  const text = textIn(data, name);
  return text === '' ? undefined : Number(text);
}
