import { existsSync, readFileSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { parse } from 'yaml';

const Compose = Type.Object({
  services: Type.Record(
    Type.String(),
    Type.Object({
      image: Type.Optional(Type.String()),
      profiles: Type.Optional(Type.Array(Type.String())),
      volumes: Type.Optional(Type.Array(Type.String())),
    }),
  ),
});
const { services } = Value.Parse(Compose, parse(readFileSync('compose.yaml', 'utf8')));

t.test('one profile brings Prometheus and Grafana', async (t) => {
  const observability = Object.entries(services).filter(([, { profiles }]) =>
    profiles?.includes('observability'),
  );
  t.same(
    observability.map(([name]) => name),
    ['prometheus', 'grafana'],
  );
});

t.test('images have a version, and files that are mounted exist', async (t) => {
  for (const [name, { image, volumes = [] }] of Object.entries(services)) {
    if (image !== undefined) t.match(image, /:v?\d+\.\d+/, name);
    for (const volume of volumes) {
      const [source = ''] = volume.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').split(':');
      if (source.startsWith('.')) t.ok(existsSync(source), source);
    }
  }
});
