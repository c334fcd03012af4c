import type { Leaderboard } from '../../schemas/leaderboard.js';
import type { Unit } from '../../schemas/unit.js';
import { boundedCache } from '../bounded-cache.js';
import { scoreFormat } from '../score-format.js';

/** More languages than this are not looked at. */
const MOST_LANGUAGES = 8;
/** A language with its script and its region; variants and extensions behind them do not matter here. */
const TAG = /^[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?(?=-|$)/i;
const FALLBACK = 'en';

/** The languages that a caller reads, best first: that of the parameter `locale`, otherwise those of `Accept-Language`. */
export function languagesOf(locale: string | undefined, acceptLanguage: string | undefined): string[] {
  const accepted = (locale ?? acceptLanguage ?? '').split(',', MOST_LANGUAGES).flatMap((part) => {
    const [range = '', quality = ''] = part.trim().split(/\s*;\s*q=/i);
    const tag = TAG.exec(range)?.[0];
    const weight = quality === '' ? 1 : Number(quality);
    return tag !== undefined && weight > 0 ? [{ tag, weight }] : [];
  });
  return accepted.sort((a, b) => b.weight - a.weight).map(({ tag }) => tag);
}

/** The title in the first of these languages that has one. A region falls back on its language, and on another region of it. */
export function titleIn(
  { title, titles = {} }: Pick<Leaderboard, 'title' | 'titles'>,
  languages: readonly string[],
): string {
  const titleOf = new Map(Object.entries(titles).map(([tag, text]) => [tag.toLowerCase(), text]));
  for (const language of languages) {
    const parts = language.toLowerCase().split('-');
    const tags = parts.map((_, i) => parts.slice(0, parts.length - i).join('-'));
    const related = [...titleOf.keys()].filter((tag) => tag.startsWith(`${parts[0]}-`));
    for (const tag of [...tags, ...related]) {
      const found = titleOf.get(tag);
      if (found !== undefined) return found;
    }
  }
  return title;
}

/** How scores are written for a caller. */
export interface ScoreWriting {
  /** One that Intl knows, so that there are few hundred. */
  readonly locale: string;
  readonly write: (score: number) => string;
}

const KEPT = 1_000;
const locales = boundedCache<string, string>(KEPT);
const writings = boundedCache<string, ScoreWriting>(KEPT);

/** How scores of this unit are written for a caller of these languages; in English if Intl knows none of them. */
export function scoreWriting(unit: Unit | null, languages: readonly string[]): ScoreWriting {
  const locale = resolved(languages);
  const key = `${locale} ${JSON.stringify(unit)}`;
  const writing = writings.get(key) ?? { locale, write: scoreFormat(unit ?? undefined, locale) };
  writings.set(key, writing);
  return writing;
}

function resolved(languages: readonly string[]): string {
  const key = languages.join();
  const known = locales.get(key);
  if (known !== undefined) return known;
  const { locale } = new Intl.NumberFormat([...languages, FALLBACK]).resolvedOptions();
  locales.set(key, locale);
  return locale;
}
