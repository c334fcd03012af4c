import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import ts from 'typescript';

const PAGE = 'docs/how-it-works.md';
const SCALING = 'docs/scaling.md';
const linksOf = (page: string) =>
  [...readFileSync(page, 'utf8').matchAll(/\[([^\]]+)\]\((?!\w+:)([^)]+)\)/g)].map(
    ([, text = '', target = '']) => ({ text, target }),
  );
const LINKS = linksOf(PAGE);
/** What a link to a title is called. */
const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

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

t.test('every link has a target', async (t) => {
  for (const { target } of [...LINKS, ...linksOf(SCALING)]) {
    const [file = '', anchor] = target.split('#');
    const path = file === '' ? SCALING : join('docs', file);
    t.ok(existsSync(path), target);
    if (anchor === undefined) continue;
    const titles = [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title);
    t.ok(
      titles.some((title) => anchorOf(title) === anchor),
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

t.test('what is to show a claim about scaling is there', async (t) => {
  const text = readFileSync(SCALING, 'utf8');
  const tests = [...text.matchAll(/`(test\/\S+\.ts)`/g)].map(([, path = '']) => path);
  t.ok(tests.length > 10, `${tests.length} tests`);
  for (const path of tests) t.ok(existsSync(path), path);
  const [, cases = ''] = /const CASES[^{]*{(.*?)\n};/s.exec(readFileSync('bench/bench.ts', 'utf8')) ?? [];
  const known = [...cases.matchAll(/^ {2}'?([\w-]+)/gm)].map(([, name]) => name);
  const named = [...text.matchAll(/`npm run bench -- ([\w -]+)`/g)].flatMap(([, names = '']) =>
    names.split(' '),
  );
  t.ok(named.length > 5, `${named.length} benchmarks`);
  for (const name of named) t.ok(known.includes(name), name);
});
