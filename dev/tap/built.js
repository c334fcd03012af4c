const ROOT = new URL('../../', import.meta.url).href;

/** A hook of Node's loader: resolves the source that a process is started with to the file that was built of it. */
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  const { url } = resolved;
  if (context.parentURL !== undefined || !url.startsWith(ROOT) || !url.endsWith('.ts')) return resolved;
  return { ...resolved, url: `${ROOT}dist/${url.slice(ROOT.length, -2)}js`, format: 'module' };
}
