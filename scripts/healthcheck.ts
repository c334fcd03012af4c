/**
 * The HEALTHCHECK of the image: exits with 0 as long as the process in the same container turns. Redis or PostgreSQL being
 * away is no reason to replace it: GET /health tells that.
 */
const { PORT = '3000' } = process.env;
const { ok } = await fetch(`http://127.0.0.1:${PORT}/health/live`);
// Does not wait for the connection to close.
process.exit(ok ? 0 : 1);
