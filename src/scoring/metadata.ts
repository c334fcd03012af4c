import { MAX_METADATA_BYTES } from '../../schemas/score.js';
import { invalid } from '../errors.js';

/** @throws Problem `validation-failed` if this metadata is too long to be kept */
export function checkMetadata(metadata: object | undefined): void {
  if (metadata !== undefined && isTooLong(metadata))
    throw invalid('/metadata', `must not be longer than ${MAX_METADATA_BYTES} bytes`);
}

function isTooLong(metadata: object): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES;
  } catch {
    // Nested deeper than the stack, so far longer than allowed.
    return true;
  }
}
