const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** A duration in its two largest units, in a language: "2 days, 3 hr". */
export function durationIn(language: string, ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  const parts = UNITS.slice(first < 0 ? -1 : first).slice(0, 2);
  const texts = parts.map(([unit, size], i) => {
    const count = Math.floor((i === 0 ? seconds : seconds % (parts[0]?.[1] ?? size)) / size);
    return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short' }).format(count);
  });
  return new Intl.ListFormat(language, { type: 'unit', style: 'narrow' }).format(texts);
}

/** How long a text of durationIn() holds, in milliseconds: to the next second, or to the next minute where seconds are not shown. */
export const untilNext = (ms: number): number => (ms >= 3_600_000 ? ms % 60_000 : ms % 1_000) || 1_000;
