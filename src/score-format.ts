/*
 * How the scores of a board are written. The service and the element both use it, so it stands on nothing but Intl, and is short.
 */

/** What the scores of a board are: the schema `Unit` of the API describes each property. */
export interface ScoreUnit {
  readonly kind: 'number' | 'duration' | 'money' | 'percent';
  readonly decimals?: number | undefined;
  readonly currency?: string | undefined;
  readonly input?: 'ms' | 's' | 'frames' | undefined;
  readonly framesPerSecond?: number | undefined;
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
}

type Format = (score: number) => string;
type Locales = string | string[];

const PLAIN: ScoreUnit = { kind: 'number' };
/** Those of Intl.NumberFormat. */
const STYLES = { number: 'decimal', money: 'currency', percent: 'percent', duration: null } as const;

/** Writes the integer scores of a board in a language. @throws RangeError if there cannot be such a language or currency */
export function scoreFormat(unit: ScoreUnit = PLAIN, locales: Locales): Format {
  const { kind, decimals, currency, prefix = '', suffix = '' } = unit;
  const style = STYLES[kind];
  const bare = style ? decimalFormat(locales, decimals, { style, currency }) : durationFormat(unit, locales);
  return (score) => prefix + bare(score) + suffix;
}

/** Takes the last digits of a number for decimals: by default those of the minor unit of a currency, and else none. */
function decimalFormat(
  locales: Locales,
  decimals: number | undefined,
  options: Intl.NumberFormatOptions,
): Format {
  const format = new Intl.NumberFormat(locales, {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
    ...options,
  });
  const { style, minimumFractionDigits } = format.resolvedOptions();
  // A hundredth of a number is written as its percentage.
  const places = (decimals ?? minimumFractionDigits ?? 0) + (style === 'percent' ? 2 : 0);
  return (score) => {
    // As text, because a quotient would not be exact.
    const shifted = `${score}e-${places}`;
    return format.format(places && isNumeric(shifted) ? shifted : score);
  };
}

const isNumeric = (text: string): text is `${number}` => Number.isFinite(Number(text));

/** 1:23.456, or with hours 1:01:23.456. What is beyond the decimals is cut off, as a stopwatch does. */
function durationFormat(
  { input = 'ms', framesPerSecond = 60, decimals = input === 's' ? 0 : 3 }: ScoreUnit,
  locales: Locales,
): Format {
  const digits = (minimumIntegerDigits: number, places = 0) =>
    decimalFormat(locales, places, { useGrouping: false, minimumIntegerDigits });
  const [first, following, seconds] = [digits(1), digits(2), digits(2, decimals)];
  // In whole numbers: the smallest part that is shown, and how many of the input make a million seconds.
  const second = 10n ** BigInt(decimals);
  const perMillion = BigInt(Math.round({ ms: 1e3, s: 1, frames: framesPerSecond }[input] * 1e6));
  return (score) => {
    const parts = (BigInt(Math.abs(score)) * second * 1_000_000n) / perMillion;
    const minutes = Number(parts / second / 60n);
    const hours = Math.floor(minutes / 60);
    const leading = hours || minutes;
    return [
      // The sign of −0 is written too.
      first(score < 0 ? -leading : leading),
      ...(hours ? [following(minutes % 60)] : []),
      seconds(Number(parts % (60n * second))),
    ].join(':');
  };
}
