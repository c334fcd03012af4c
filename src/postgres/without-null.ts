/** A row without those of these columns that are null, which the API leaves out. */
export function withoutNull<Row extends object>(row: Row, ...columns: (keyof Row)[]): Row {
  const left = { ...row };
  for (const column of columns) if (left[column] === null) Reflect.deleteProperty(left, column);
  return left;
}
