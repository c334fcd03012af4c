import cluster from 'node:cluster';
import { Calls } from './calls.js';
import { remoteState } from './remote-state.js';
import { REPORT_KINDS, type Reporter, type ReportKind, type SharedState } from './shared-state.js';

/** This process as a worker of its supervisor. */
export interface Worker {
  readonly state: SharedState;
  /** This worker accepts requests at a port. */
  ready(port: number): void;
  /**
   * Resolves when the supervisor asks it to close, which may be before this process has begun to start. Signals are for the
   * supervisor: a terminal sends them to all processes.
   */
  readonly stopped: Promise<void>;
}

/** Null in a process that is all of its instance. */
export function connectToSupervisor(): Worker | null {
  if (!cluster.isWorker) return null;
  const reporters = new Map<ReportKind, Reporter>();
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  // A supervisor that is gone ends this process as well.
  const calls = new Calls((message) => process.send?.(message, undefined, undefined, () => {}), {
    report: async ([asked]) => {
      const kind = REPORT_KINDS.find((known) => known === asked);
      return kind === undefined ? null : reporters.get(kind)?.();
    },
    stop,
  });
  process.on('message', (message) => calls.receive(message));
  process.once('disconnect', () => calls.close());
  calls.call('loaded').catch(() => {});
  return {
    state: remoteState(calls, reporters),
    ready: (port) => {
      calls.call('ready', port).catch(() => {});
    },
    stopped,
  };
}
