/** Signals that ask a process to end. A terminal sends them to all processes that it has started. */
export const ENDING_SIGNALS: ('SIGTERM' | 'SIGINT' | 'SIGHUP')[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
