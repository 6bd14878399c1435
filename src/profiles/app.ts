import type { Gateway } from "../gateway/gateway.js";
import { gatewayLimits } from "../gateway/limits.js";

/** One budget for a planned end: a drain ends before the parts have to be closed, and these before the process leaves. */
export const closeMsMax = gatewayLimits.drainMsMax + 2_000;
export const stopMsMax = closeMsMax + 4_000;

/** A running Parley, whichever profile it runs in. */
export type App = {
  /** Where clients connect: http://HOST:PORT. */
  readonly url: Gateway["url"];
  /** Where EventStoreDB's clients read the log, if it is served: esdb://HOST:PORT?tls=… */
  readonly eventStoreUrl?: string;
  /** Clients are told and closed, what is in flight is made durable and answered, then everything is closed. Repeatable. */
  readonly stop: () => Promise<void>;
  /** Resolves with the reason when Parley cannot go on and must be restarted. */
  readonly failed: Promise<Error>;
};
