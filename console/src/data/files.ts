import { ScoreboardError } from '@scoreboard/client';
import { connection } from './connection.js';
import { session } from './session.js';

type OnProgress = (done: number, total: number | null) => void;

/** Something that is no answer of the service. */
const lost = () => {
  connection.set(true);
  return new ScoreboardError('unreachable', 'No response.');
};

function problem(status: number, text: string): ScoreboardError {
  if (status === 401) session.end();
  try {
    const { code, detail, errors } = JSON.parse(text);
    return new ScoreboardError(code, detail, { status, errors });
  } catch {
    return new ScoreboardError('unexpected-answer', `HTTP ${status}`, { status });
  }
}

/**
 * Saves an answer as a file. A link could not send what the API asks for against forged requests.
 * @throws ScoreboardError, also if the answer is cut off
 */
export async function download(
  address: string,
  name: string,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<void> {
  const parts: BlobPart[] = [];
  let done = 0;
  try {
    const response = await fetch(address, { signal, headers: session.headers, cache: 'no-store' });
    if (!response.ok || response.body === null) throw problem(response.status, await response.text());
    const total = Number(response.headers.get('content-length')) || null;
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(new Uint8Array(part.value));
      done += part.value.length;
      onProgress(done, total);
    }
  } catch (error) {
    throw error instanceof ScoreboardError ? error : lost();
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Sends a file. Only XMLHttpRequest says how far that has come. @throws ScoreboardError */
export function upload(
  address: string,
  file: File,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', address);
    for (const [name, value] of Object.entries(session.headers)) request.setRequestHeader(name, value);
    request.setRequestHeader('content-type', 'text/csv');
    request.upload.addEventListener('progress', ({ loaded }) => onProgress(loaded, file.size));
    request.addEventListener('load', () =>
      request.status < 300 ? resolve() : reject(problem(request.status, request.responseText)),
    );
    for (const name of ['error', 'timeout', 'abort']) request.addEventListener(name, () => reject(lost()));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
