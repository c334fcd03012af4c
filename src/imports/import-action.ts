/** The action of imported events. One may be defined by this name, with limits or not: these are not for imports. */
export const IMPORTED = 'import';
