import { errorCode } from './error-code.js';
import { isDatabaseUnavailable, SQLSTATE, UnfitDatabase } from './postgres/errors.js';
import { StartError } from './start-error.js';

/** Class 28: the user or password is wrong. 3D000: no such database. */
const REFUSED = /^(28...|3D000)$/;

/** What is known to go wrong at the start, as a `StartError`. Anything else stays what it is. */
export function explained(
  error: unknown,
  listen?: { HOST: string; PORT: number; ADMIN_PORT?: number },
): unknown {
  const code = errorCode(error) ?? '';
  const reason = error instanceof Error ? error.message : String(error);
  if (listen !== undefined && code === 'EADDRINUSE') {
    const isForAdministrators = error instanceof Error && 'port' in error && error.port === listen.ADMIN_PORT;
    const name = isForAdministrators ? 'ADMIN_PORT' : 'PORT';
    return new StartError(
      `Port ${listen[name]} is in use. Stop the program that has it, or set ${name} to another one.`,
    );
  }
  const isHostUnknown = error instanceof Error && 'hostname' in error && error.hostname === listen?.HOST;
  if (listen !== undefined && (code === 'EACCES' || code === 'EADDRNOTAVAIL' || isHostUnknown)) {
    return new StartError(
      `Cannot listen on ${listen.HOST}:${listen.PORT} (${code}). Set HOST and PORT to what this machine allows.`,
    );
  }
  if (error instanceof UnfitDatabase) return new StartError(reason);
  if (/unsupported startup parameter/.test(reason)) {
    return new StartError(
      `A connection pooler refuses DATABASE_URL: ${reason}. Take that parameter out of the URL; the service sets what it needs by itself.`,
    );
  }
  if (REFUSED.test(code)) {
    return new StartError(
      `PostgreSQL refuses DATABASE_URL: ${reason}. Correct its user, password or database name.`,
    );
  }
  if (code === SQLSTATE.insufficientPrivilege) {
    return new StartError(
      `PostgreSQL does not let the user of DATABASE_URL make tables: ${reason}. GRANT it CREATE on the database and on its schema public.`,
    );
  }
  if (code === SQLSTATE.diskFull) {
    return new StartError(`The disk of PostgreSQL is full: ${reason}. Make room and start again.`);
  }
  if (isDatabaseUnavailable(error)) {
    return new StartError(
      `Cannot reach PostgreSQL at DATABASE_URL (${code || reason}). Start it, or correct the address. Without DATABASE_URL a database of its own is used outside production.`,
    );
  }
  return error;
}
