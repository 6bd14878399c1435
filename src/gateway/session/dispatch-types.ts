import type { Clock, Ids } from "../../commands/ports.js";
import type { SizeLimits } from "../limits.js";
import type { MessageRate } from "../access/message-rate.js";
import type { Application, Authenticator, Connection, GatewayMetrics, Logger } from "../ports.js";
import type { SessionConfig, SessionInput, SessionState } from "./session-types.js";
import type { CatchUp } from "../access/catch-up.js";
import type { DeviceAccess } from "../access/device-access.js";
import type { WriteBarrier } from "./write-barrier.js";

export type DispatcherDeps = {
  readonly app: Application;
  readonly catchUp: CatchUp;
  readonly deviceAccess: DeviceAccess;
  readonly authenticate: Authenticator;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Milliseconds; never set. For silences and latencies. */
  readonly monotonic: () => number;
  readonly ids: Ids;
  /** Absent: no user is limited. */
  readonly messageRate?: MessageRate;
  readonly config: {
    readonly heartbeatIntervalMs: number;
    readonly limits: SizeLimits;
    /** What clients are told; 0: no limit. */
    readonly messagesPerMinute?: number;
  };
};

/** A connection and its machine's state. */
export type Live = {
  readonly connection: Connection;
  readonly config: SessionConfig;
  state: SessionState;
  /** The writes in flight: what a `sync` of this connection waits for. */
  readonly writes: WriteBarrier;
  /** Where messages are limited: when everything sent before has been let in or refused, so that its order stays. */
  letIn?: Promise<unknown>;
  timer?: NodeJS.Timeout;
  /** When its use was last told, on the monotonic clock; undefined before it has come in. */
  usedAt: number | undefined;
  /** It has begun to type at least once: its end is told when it goes. */
  hasTyped: boolean;
};

export type Feed = (live: Live, input: SessionInput) => void;
