import type { Gateway } from "../../gateway/gateway.js";

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
