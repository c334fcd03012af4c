import { type ScoreUnit, scoreFormat } from '../../../src/score-format.js';

/** Scores of more characters than this are shortened where there is little room. */
const LONG_SCORE = 13;

/** How an element writes numbers. */
export interface Formats {
  readonly language: string;
  readonly number: (value: number) => string;
  /** A score in the unit of the board. */
  readonly wholeScore: (value: number) => string;
  /** As `wholeScore`, but a long one without a unit is shortened where there is little room: 9007T. */
  readonly score: (value: number) => string;
}

/** The language of the surrounding text, else of the browser. */
export function languageOf(element: Element): string {
  for (let at: Element | null = element; at !== null; at = hostOf(at)) {
    const { lang } = at.closest<HTMLElement>('[lang]') ?? {};
    if (lang && isLanguage(lang)) return lang;
  }
  return navigator.language;
}

const hostOf = (element: Element): Element | null => {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
};

function isLanguage(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}

export function formatsIn(language: string, isNarrow: boolean, unit?: ScoreUnit): Formats {
  const wholeScore = scoreFormat(unit, language);
  const short = new Intl.NumberFormat(language, { notation: 'compact', maximumSignificantDigits: 4 });
  return {
    language,
    number: scoreFormat(undefined, language),
    wholeScore,
    score: (value) => {
      const text = wholeScore(value);
      return isNarrow && !unit && text.length > LONG_SCORE ? short.format(value) : text;
    },
  };
}
