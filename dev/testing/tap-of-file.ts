/** What a file of tests gets for `import t from 'tap'`: the test that stands for the file. Loaded anew for each file. */
import { currentFile } from './current-file.js';

export default currentFile.test;
