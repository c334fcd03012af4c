const closeWithGrace = require('close-with-grace');

const SHELL = process.ppid;

/**
 * npm starts a script by a shell, and a signal to npm ends that shell without reaching us: so we end when it does.
 * A signal to the whole group (Ctrl-C) reaches us too, and a second one would cut the closing short.
 */
exports.endWithShell = () => {
  const check = () => {
    if (process.ppid === SHELL) return;
    clearInterval(checks);
    if (!closeWithGrace.closing) process.kill(process.pid, 'SIGTERM');
  };
  const checks = setInterval(check, 250).unref();
};
