// Runs before the service, in its image: brings the certificates that RDS signs with, which Node does not know.
import { writeFile } from 'node:fs/promises';
import { format } from 'node:util';

const { CERTIFICATES_URL, CERTIFICATES_FILE } = process.env;
const response = await fetch(CERTIFICATES_URL, { signal: AbortSignal.timeout(20_000) });
const certificates = await response.text();
if (!response.ok || !certificates.includes('-----BEGIN CERTIFICATE-----')) {
  // Not a template literal: CloudFormation would take it for a parameter of its own.
  throw new Error(format('%s answers %d, and no certificates', CERTIFICATES_URL, response.status));
}
await writeFile(CERTIFICATES_FILE, certificates, { mode: 0o644 });
