import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import ts from 'typescript';

const PAGE = 'docs/how-it-works.md';
const LINKS = [...readFileSync(PAGE, 'utf8').matchAll(/\[([^\]]+)\]\((?!\w+:)([^)]+)\)/g)].map(
  ([, text = '', target = '']) => ({ text, target }),
);

/** The names that a file declares: of functions, classes, members, constants and types. */
function declaredIn(path: string): Set<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if ((ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) && isDeclared(node)) names.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true));
  return names;
}

function isDeclared(name: ts.Node): boolean {
  const { parent } = name;
  if (ts.isPropertyAccessExpression(parent) || ts.isImportSpecifier(parent)) return false;
  return 'name' in parent && parent.name === name;
}

t.test('every link of the page has a target', async (t) => {
  for (const { target } of LINKS) {
    const [file = '', anchor] = target.split('#');
    const path = join('docs', file);
    t.ok(existsSync(path), target);
    if (anchor === undefined) continue;
    const titles = [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title);
    t.ok(
      titles.some((title) => title.toLowerCase().replaceAll(' ', '-') === anchor),
      target,
    );
  }
});

t.test('every link to code names what its file declares, or a URL that it serves', async (t) => {
  const toCode = LINKS.filter(({ target }) => /\.(ts|js)$/.test(target));
  t.ok(toCode.length > 30, `${toCode.length} links`);
  for (const { text, target } of toCode) {
    const path = join('docs', target);
    const [, name] = /^`([\w.#]+)`$/.exec(text) ?? [];
    const [, url] = /^`[A-Z]+ (\/\S+)`$/.exec(text) ?? [];
    if (name !== undefined) {
      const declared = declaredIn(path);
      for (const part of name.split('.')) t.ok(declared.has(part), `${text} in ${path}`);
    } else if (url !== undefined) {
      // The routes of administration are registered under this prefix.
      const route = url.replace(/^\/v1\/admin/, '').replaceAll(/{(\w+)}/g, ':$1');
      t.match(readFileSync(path, 'utf8'), `'${route}'`, `${text} in ${path}`);
    } else {
      t.fail(`${text} names neither a symbol nor a URL`);
    }
  }
});
