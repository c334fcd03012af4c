import t from 'tap';
import { bodyValidators, serializers, textValidators } from '../../src/http/schema-compilers.js';
import { documentOf } from '../api.js';
import { buildTestApp } from '../helper.js';

const compiled = () => [bodyValidators.size, textValidators.size, serializers.size];

t.test('equal response schemas are compiled once, also for a second app in the process', async (t) => {
  const { paths } = documentOf(await buildTestApp(t));
  const responses = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .flatMap((operation) => Object.values(operation.responses))
    .flatMap(({ content = {} }) => Object.values(content))
    .map(({ schema }) => JSON.stringify(schema));
  t.ok(
    serializers.size * 5 < responses.length,
    `${responses.length} response schemas of the document, ${new Set(responses).size} different, ${serializers.size} compiled`,
  );

  const before = compiled();
  await buildTestApp(t);
  t.same(compiled(), before);
});
