import type { Unit } from '../../schemas/unit.js';
import { invalid } from '../errors.js';

/**
 * Checks what the schema of a unit cannot express.
 * @throws Problem `validation-failed`
 */
export function checkUnit({ kind, currency, input, framesPerSecond }: Unit): void {
  if (kind === 'money' && currency === undefined) throw invalid('/unit/currency', 'is missing');
  if (kind !== 'money' && currency !== undefined) throw invalid('/unit/currency', 'is only of money');
  if (kind !== 'duration' && input !== undefined) throw invalid('/unit/input', 'is only of durations');
  if (input !== 'frames' && framesPerSecond !== undefined)
    throw invalid('/unit/framesPerSecond', 'goes only with the input: frames');
}
