/**
 * Makes a copy of an OpenAPI document that generators of clients read well: alternatives that are all constants become an
 * enumeration, and a body whose schema has a default is not required.
 */
export function readable<T extends object>(document: T): T {
  const copy = structuredClone(document);
  visit(copy);
  return copy;
}

function visit(value: unknown): void {
  if (!isRecord(value)) return;
  for (const child of Object.values(value)) visit(child);
  const { anyOf, requestBody } = value;
  if (Array.isArray(anyOf)) enumerate(value, anyOf);
  if (isRecord(requestBody) && isRecord(requestBody['content'])) {
    const media = Object.values(requestBody['content']);
    requestBody['required'] = !media.every(
      (body) => isRecord(body) && isRecord(body['schema']) && 'default' in body['schema'],
    );
  }
}

/** An enumeration in place of text constants, beside whatever else is allowed. */
function enumerate(schema: Record<string, unknown>, anyOf: unknown[]): void {
  const constants = anyOf.flatMap((option) =>
    isRecord(option) && Array.isArray(option['enum']) && option['type'] === 'string' ? option['enum'] : [],
  );
  const others = anyOf.filter((option) => !(isRecord(option) && Array.isArray(option['enum'])));
  if (constants.length === 0 || others.length + constants.length !== anyOf.length) return;
  const enumeration = { type: 'string', enum: constants };
  if (others.length > 0) schema['anyOf'] = [enumeration, ...others];
  else {
    delete schema['anyOf'];
    Object.assign(schema, enumeration);
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
