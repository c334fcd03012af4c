import { LANGUAGES, type Template, type Texts } from './languages.js';

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
