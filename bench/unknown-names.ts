/** Ends the process: these names, as they were given on the command line, stand for nothing. */
export function exitUnknown(kind: string, unknown: readonly string[], known: Iterable<string>): never {
  console.error(`There is no ${kind} "${unknown.join('", "')}". There are: ${[...known].join(', ')}`);
  process.exit(1);
}
