export type { paths } from './api.js';
