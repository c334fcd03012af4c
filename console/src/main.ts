import './shell.js';
import { followLinks } from './router.js';

followLinks();
