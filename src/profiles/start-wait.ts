/** How a process that starts waits for the engines that it cannot start without (docs/adr/0017). */
import type { Logger } from "../gateway/ports.js";
import { isAway } from "../projections/ports/away.js";
import { hostsOf } from "../infra/engines/address.js";
import { tlsProblem } from "../infra/engines/tls-problem.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { isRefusal } from "../infra/engines/refusals.js";
import { asError, reasonOf } from "../lib/errors.js";
import { retried } from "../lib/retry.js";
import { pause } from "../lib/time.js";

/** NATS and Redis may come later: a process goes on without them. */
export type NeededEngine = "eventstore" | "mongodb" | "erasures";

export type StartWait = {
  /**
   * What the work answers, once the engine is there. It is repeated as a whole while the engine is away.
   * @throws (rejects) StoppedWhileStarting; else what the work rejected with, with the engine's variable in front
   */
  readonly until: <A>(engine: NeededEngine, work: () => Promise<A>) => Promise<A>;
  /** By engine, what is waited for now and why: for /readyz. */
  readonly problems: () => Readonly<Record<string, string>>;
};

/** It was told to end before it had begun. */
export class StoppedWhileStarting extends Error {
  constructor() {
    super("stopped while it waited for its engines");
    this.name = "StoppedWhileStarting";
  }
}

export type StartWaitOptions = {
  readonly config: Pick<DistributedConfig, "startWaitSeconds" | "eventStoreUrl" | "mongo" | "erasureLedger">;
  readonly logger: Pick<Logger, "warn" | "info">;
  /** Ends the wait. */
  readonly stop: AbortSignal;
  /** Between two attempts, a half more or less. */
  readonly pauseMs?: number;
  readonly saidEveryMs?: number;
};

/** The time is one for all engines, and begins now. */
export const createStartWait = (options: StartWaitOptions): StartWait => {
  const { config, logger, stop, pauseMs = 500, saidEveryMs = 5_000 } = options;
  const deadline = performance.now() + config.startWaitSeconds * 1_000;
  const named: Readonly<Record<NeededEngine, { readonly variable: string; readonly address: string }>> = {
    eventstore: { variable: "PARLEY_EVENTSTORE_URL", address: hostsOf(config.eventStoreUrl) },
    mongodb: { variable: "PARLEY_MONGODB_URL", address: hostsOf(config.mongo.url) },
    erasures: { variable: "PARLEY_ERASURE_LEDGER", address: hostsOf(config.erasureLedger.url) },
  };
  const waitedFor = new Map<NeededEngine, string>();
  const stopped = new Promise<never>((_, reject) => {
    const refuse = (): void => {
      reject(new StoppedWhileStarting());
    };
    if (stop.aborted) refuse();
    else stop.addEventListener("abort", refuse, { once: true });
  });
  // No caller awaits it while nothing is waited for.
  stopped.catch(() => undefined);

  const until = async <A>(engine: NeededEngine, work: () => Promise<A>): Promise<A> => {
    const { variable, address } = named[engine];
    let saidAt = -Infinity;
    const failed = (error: unknown): number => {
      const now = performance.now();
      if (error instanceof StoppedWhileStarting) throw error;
      if (isForGood(error) || now >= deadline) throw refusal(variable, address, config.startWaitSeconds, error);
      const problem = reasonOf(error);
      waitedFor.set(engine, problem);
      if (now - saidAt >= saidEveryMs) {
        saidAt = now;
        const secondsLeft = Math.ceil((deadline - now) / 1_000);
        logger.warn({ engine, variable, address, problem, secondsLeft }, "Parley waits for an engine before it starts");
      }
      return pauseMs * (0.5 + Math.random());
    };
    const answer = await retried(
      () => Promise.race([work(), stopped]),
      failed,
      (ms) => Promise.race([pause(ms), stopped]),
    );
    if (waitedFor.delete(engine)) logger.info({ engine, variable, address }, "an engine is there, and Parley starts");
    return answer;
  };
  return { until, problems: () => Object.fromEntries(waitedFor) };
};

/** No time mends it: settings that are wrong, a user or a certificate that is not taken, data of another log or cell. */
const isForGood = (error: unknown): boolean => !isAway(error) || isRefusal(error) || tlsProblem(error) !== undefined;

const refusal = (variable: string, address: string, waited: number, cause: unknown): Error => {
  const long = isForGood(cause) || waited === 0 ? "" : `; it was waited for ${waited} s`;
  return new Error(`${variable} (${address}): ${asError(cause).message}${long}`, { cause });
};
