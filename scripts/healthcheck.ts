/**
 * The HEALTHCHECK of the image: exits with 0 while the process in the same container responds. A failure of Redis or
 * PostgreSQL is no reason to replace the container; GET /health reports it.
 */
const { PORT = '3000' } = process.env;
const { ok } = await fetch(`http://127.0.0.1:${PORT}/health/live`);
// Without waiting for the connection to close.
process.exit(ok ? 0 : 1);
