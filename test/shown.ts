/** The code blocks of a document, in their order, with their languages. */
export const fencesOf = (document: string) =>
  [...document.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    language,
    text,
  }));

/** Both responses; `…` in the shown one stands for values that differ at each run. */
export function asShown(real: unknown, shown: unknown): [unknown, unknown] {
  return [masked(real, shown), shown];
}

function masked(real: unknown, shown: unknown): unknown {
  if (typeof shown === 'string' && typeof real === 'string') {
    const [prefix = '', suffix] = shown.split('…');
    return suffix !== undefined && real.startsWith(prefix) ? shown : real;
  }
  if (Array.isArray(real) && Array.isArray(shown)) return real.map((item, i) => masked(item, shown[i]));
  if (!isObject(real) || !isObject(shown)) return real;
  return Object.fromEntries(Object.entries(real).map(([key, value]) => [key, masked(value, shown[key])]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
