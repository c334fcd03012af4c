/** Ends the process with a message that these names of the command line do not exist. */
export function exitUnknown(kind: string, unknown: readonly string[], known: Iterable<string>): never {
  console.error(`There is no ${kind} "${unknown.join('", "')}". There are: ${[...known].join(', ')}`);
  process.exit(1);
}
