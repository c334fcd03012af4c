import { type Static, Type } from '@sinclair/typebox';
import { ShortText } from './common.js';

export const Unit = Type.Object(
  {
    kind: Type.Union(
      [Type.Literal('number'), Type.Literal('duration'), Type.Literal('money'), Type.Literal('percent')],
      {
        description:
          'What the scores are. Scores stay integers: `decimals` and `input` say how they are read.',
      },
    ),
    decimals: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 6,
        description:
          'The last digits of a score that stand behind the point: 1234 is 12.34 with 2. Of durations, the digits of a second that are shown. By default 0; of money, those of the minor unit of the currency; of durations, 3, or 0 if the input is `s`.',
      }),
    ),
    currency: Type.Optional(
      Type.String({
        pattern: '^[A-Z]{3}$',
        description: 'Of money: its code of ISO 4217. Scores are in its minor unit, as cents.',
        examples: ['EUR'],
      }),
    ),
    input: Type.Optional(
      Type.Union([Type.Literal('ms'), Type.Literal('s'), Type.Literal('frames')], {
        description: 'Of durations: what the scores count. `ms` by default.',
      }),
    ),
    framesPerSecond: Type.Optional(
      Type.Number({ minimum: 1, maximum: 1_000, description: 'Of durations in frames; 60 by default.' }),
    ),
    prefix: Type.Optional({ ...ShortText, description: 'Text before the number.' }),
    suffix: Type.Optional({
      ...ShortText,
      description: 'Text behind the number, with the space before it, if any.',
    }),
  },
  {
    $id: 'Unit',
    additionalProperties: false,
    description: 'How scores are written. 83456 is 1:23.456 as a duration in milliseconds.',
    examples: [{ kind: 'duration', input: 'ms' }],
  },
);
export type Unit = Static<typeof Unit>;
