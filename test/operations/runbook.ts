import { readFileSync } from 'node:fs';

export const RUNBOOK = 'docs/operations.md';
const text = readFileSync(RUNBOOK, 'utf8');

/** The code blocks of a language. */
export const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)\\n *\`\`\`$`, 'gm'))].map(
    ([, indent = '', code = '']) => code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );

/** The titles of a level below a title. */
export function sections(level: number, below: string): string[] {
  const [, part = ''] = text.split(new RegExp(`^${'#'.repeat(level - 1)} ${below}$`, 'm'));
  const [own = ''] = part.split(new RegExp(`^#{1,${level - 1}} `, 'm'));
  return [...own.matchAll(new RegExp(`^${'#'.repeat(level)} (.*)$`, 'gm'))].map(([, title = '']) => title);
}

/** The text of a section, up to the next title. */
export const section = (title: string): string =>
  (text.split(new RegExp(`^#+ ${title}$`, 'm'))[1] ?? '').split(/^#/m)[0] ?? '';

/** The only code block of a language with this beginning. */
export function block(language: string, beginning: string): string {
  const found = blocks(language).filter((code) => code.startsWith(beginning));
  const [code] = found;
  if (code === undefined || found.length > 1)
    throw new Error(`${RUNBOOK} has ${found.length} of "${beginning}"`);
  return code;
}

export const statement = (beginning: string): string => block('sql', beginning);
