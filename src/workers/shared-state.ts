import { LoginTries } from '../access/login-tries.js';
import { ConnectionSlots } from '../live/connection-slots.js';
import { type Count, WindowCounters } from '../redis/window-counters.js';

/** What the processes of an instance report of themselves. */
export const REPORT_KINDS = ['health', 'metrics', 'overview'] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];
export type Reporter = () => Promise<unknown>;

/** What the processes of an instance have in common: limits are those of one service, however many workers it has. */
export interface SharedState {
  readonly counters: { increment(key: string, windowMs: number): Count | Promise<Count> };
  readonly tries: {
    begin(account: string, fromNetwork: string): number | Promise<number>;
    succeeded(account: string, fromNetwork: string): void | Promise<void>;
  };
  readonly slots: {
    take(address: string): boolean | Promise<boolean>;
    release(address: string): void;
  };
  /** How this process answers when another asks for its reports. */
  report(kind: ReportKind, reporter: Reporter): void;
  /**
   * The reports of all processes of the instance; null where this is the only one.
   * @throws Error if one does not answer in time
   */
  reports(kind: ReportKind): Promise<unknown[] | null>;
}

/** The parts that are counted in one place. */
export interface Counted {
  readonly counters: WindowCounters;
  readonly tries: LoginTries;
  readonly slots: ConnectionSlots;
}

export const countedFor = (limits: {
  readonly SSE_MAX_CONNECTIONS: number;
  readonly SSE_MAX_CONNECTIONS_PER_IP: number;
}): Counted => ({
  counters: new WindowCounters(),
  tries: new LoginTries(),
  slots: new ConnectionSlots(limits.SSE_MAX_CONNECTIONS, limits.SSE_MAX_CONNECTIONS_PER_IP),
});

/** The state of an instance that is one process. */
export const ownState = (counted: Counted): SharedState => ({
  ...counted,
  report: () => {},
  reports: async () => null,
});
