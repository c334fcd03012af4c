// Runs before the service, in its image: downloads the certificates of RDS, which Node does not trust by default.
import { writeFile } from 'node:fs/promises';
import { format } from 'node:util';

const { CERTIFICATES_URL, CERTIFICATES_FILE } = process.env;
const response = await fetch(CERTIFICATES_URL, { signal: AbortSignal.timeout(20_000) });
const certificates = await response.text();
if (!response.ok || !certificates.includes('-----BEGIN CERTIFICATE-----')) {
  // Not a template literal: CloudFormation would interpret it as a parameter.
  throw new Error(format('%s answers %d, and no certificates', CERTIFICATES_URL, response.status));
}
await writeFile(CERTIFICATES_FILE, certificates, { mode: 0o644 });
