import { Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import type { Calls } from './calls.js';
import type { Reporter, ReportKind, SharedState } from './shared-state.js';

const count = TypeCompiler.Compile(Type.Object({ current: Type.Number(), ttl: Type.Number() }));

/** The state of the instance as a worker sees it: it is kept by the supervisor. Every call throws if that does not answer. */
export function remoteState(calls: Calls, reporters: Map<ReportKind, Reporter>): SharedState {
  return {
    counters: {
      async increment(key, windowMs) {
        const counted = await calls.call('count', key, windowMs);
        if (!count.Check(counted)) throw new Error('The supervisor has not answered with a count');
        return counted;
      },
    },
    tries: {
      begin: async (account, fromNetwork) => Number(await calls.call('begin-login', account, fromNetwork)),
      succeeded: async (account, fromNetwork) => {
        await calls.call('login-succeeded', account, fromNetwork);
      },
    },
    slots: {
      take: async (address) => (await calls.call('take-slot', address)) === true,
      release: (address) => {
        calls.call('release-slot', address).catch(() => {}); // A supervisor that is gone needs no slot back.
      },
    },
    report: (kind, reporter) => reporters.set(kind, reporter),
    reports: async (kind) => {
      const reports = await calls.call('reports', kind);
      return Array.isArray(reports) ? reports : [];
    },
  };
}
