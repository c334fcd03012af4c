const closeWithGrace = require('close-with-grace');

const SHELL = process.ppid;

/**
 * npm runs a script in a shell. A SIGTERM to npm ends that shell and does not reach this process, which therefore ends when
 * its shell has ended. Ctrl-C reaches all of them, and a second signal would cut the shutdown short.
 */
exports.endWithShell = () => {
  if (process.env.npm_lifecycle_event === undefined) return;
  const check = () => {
    if (process.ppid === SHELL) return;
    clearInterval(checks);
    if (!closeWithGrace.closing) process.kill(process.pid, 'SIGTERM');
  };
  const checks = setInterval(check, 250).unref();
};
