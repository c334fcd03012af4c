import { LANGUAGES } from './languages.js';

/** A text with {placeholders}; or one for each plural category of its language, see Intl.PluralRules. */
export type Template =
  | string
  | ({ readonly other: string } & { readonly [C in Intl.LDMLPluralRule]?: string });

/** All texts that the element shows or announces. Values are already formatted for its language. */
export interface Texts {
  readonly rank: string;
  readonly player: string;
  readonly score: string;
  /** Shown beside the user's name. */
  readonly you: string;
  readonly live: string;
  readonly connecting: string;
  readonly reconnecting: string;
  readonly closed: string;
  readonly empty: string;
  readonly unknownBoard: string;
  readonly failed: string;
  /** Shown when there was no answer for a while; the element keeps trying. */
  readonly unreachable: string;
  /** Shown with the winners of a season that has ended. */
  readonly finalStandings: string;
  /** When the season ends: {time}. */
  readonly endsIn: Template;
  /** Announced at the end of a season: {name}. */
  readonly won: Template;
  /** The number of entries: {count}. */
  readonly total: Template | ((count: number, formatted: string) => string);
  /** Announced: {name}. */
  readonly leads: Template | ((name: string) => string);
  /** Announced: {rank} and {total}. */
  readonly ownRank: Template | ((rank: string, total: string) => string);
}

/** The texts in a language, in English if there are none, with the page's own in their place. */
export function textsIn(language: string, own: Partial<Texts>): Texts {
  return { ...LANGUAGES.en, ...LANGUAGES[primaryOf(language)], ...own };
}

/** `pt` of `pt-BR`. */
const primaryOf = (language: string): string => language.toLowerCase().split('-', 1)[0] ?? '';

/** The text with its placeholders filled; `count` selects its plural category. */
export function fill(
  template: Template,
  values: Readonly<Record<string, string>>,
  language: string,
  count = 0,
): string {
  const text =
    typeof template === 'string'
      ? template
      : (template[new Intl.PluralRules(language).select(count)] ?? template.other);
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder);
}

/** The attribute `texts`: a JSON object. Anything else, and what is not text in it, counts as no text at all. */
export function textsOf(attribute: string | null): Partial<Texts> {
  try {
    const given: unknown = JSON.parse(attribute ?? '{}');
    return typeof given === 'object' && given !== null && !Array.isArray(given)
      ? Object.fromEntries(Object.entries(given).filter(([, text]) => isTemplate(text)))
      : {};
  } catch {
    return {};
  }
}

const isTemplate = (text: unknown): text is Template =>
  typeof text === 'string' ||
  (typeof text === 'object' && text !== null && 'other' in text && typeof text.other === 'string');
