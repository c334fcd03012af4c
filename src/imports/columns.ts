import { Problem } from '../errors.js';

/** What a column may hold. Those of our own exports that an import does not need are left out of account. */
const COLUMNS = ['externalId', 'displayName', 'score', 'achievedAt', 'metadata', 'key'] as const;
const NEEDED = ['externalId', 'score'] as const;
const IGNORED = ['rank', 'sharedRank', 'userId'];

type Column = (typeof COLUMNS)[number];
/** Where the value of each column is in a row. */
export type Places = Readonly<Record<Column, number | undefined>>;

/** @param names the first row of a file @throws Problem `file-refused` */
export function placesOf(names: readonly string[]): Places {
  const places = Object.fromEntries(
    COLUMNS.map((name) => {
      const place = names.indexOf(name);
      return [name, place === -1 ? undefined : place] as const;
    }),
  );
  const unknown = names.filter((name) => !(name in places) && !IGNORED.includes(name));
  const missing = NEEDED.filter((name) => places[name] === undefined);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  const faults = [
    ...(missing.length > 0 ? [`lacks ${listed(missing)}`] : []),
    ...(unknown.length > 0 ? [`has ${listed(unknown)}, which nobody reads`] : []),
    ...(twice.length > 0 ? [`has ${listed(twice)} twice`] : []),
  ];
  if (faults.length > 0)
    throw new Problem(
      'file-refused',
      `Line 1 names the columns, of which there may be ${COLUMNS.join(', ')}: it ${faults.join(', and ')}.`,
    );
  const { externalId, displayName, score, achievedAt, metadata, key } = places;
  return { externalId, displayName, score, achievedAt, metadata, key };
}

const listed = (names: readonly string[]): string =>
  names
    .slice(0, 5)
    .map((name) => `"${name.slice(0, 40)}"`)
    .join(', ');
