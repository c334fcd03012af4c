import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fencesOf } from '../shown.js';

/** A code block of a document, and what the `bash` block has printed that it is, or comes after. */
export interface RunBlock {
  readonly language: string;
  readonly text: string;
  readonly output: string;
}

/** Runs the `bash` blocks of a document in their order, in one shell. Rejects if a command fails. */
export async function runBlocks(document: string, env: NodeJS.ProcessEnv): Promise<RunBlock[]> {
  const fences = fencesOf(document);
  const steps = fences.filter(({ language }) => language === 'bash').map(({ text }) => text);
  const script = steps.map((step) => `${step}printf '\\036'\n`).join('');
  const shell = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
    env: { PATH: process.env['PATH'], ...env },
  });
  const outputs = shell.stdout.split('\x1e').values();
  let output = '';
  return fences.map(({ language, text }) => {
    if (language === 'bash') output = outputs.next().value ?? '';
    return { language, text, output };
  });
}
