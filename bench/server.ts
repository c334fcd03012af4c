import { buildApp } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { createLogger } from '../src/observability/logging.js';
import { answerUsage } from './usage.js';
import { isVariant, VARIANTS } from './variants.js';

/*
 * The service in a process of its own, as in production, or a variant to compare it with. It sends its port over IPC when
 * it listens, and answers queries for its usage.
 */

const config = loadConfig(process.env);
const { DATABASE_URL } = config;
if (DATABASE_URL === undefined) throw new Error('DATABASE_URL is missing');
const app = await buildApp({ ...config, DATABASE_URL }, createLogger(config));
const [variant = ''] = process.argv.slice(2);
if (!isVariant(variant)) throw new Error(`There is no variant "${variant}"`);
VARIANTS[variant](app);
const address = await app.listen({ host: '127.0.0.1', port: 0 });

answerUsage();
process.on('disconnect', () => app.close().finally(() => process.exit()));
process.send?.(Number(new URL(address).port));
