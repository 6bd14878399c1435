import { contextOf, labels } from "./asking.js";
import { createConnectAdmission } from "./connect-admission.js";
import type { DispatcherDeps, Feed, Live } from "./dispatch-types.js";
import { issued } from "../access/device-access.js";
import { gatewayLimits as bounds } from "../limits.js";
import { createEffectRunner } from "./effects.js";
import type { Claims, Connection } from "../ports.js";
import { createFrameDecoder } from "../protocol/frames.js";
import { createMessageLane, createSend } from "./message-lane.js";
import { opening, step } from "./session.js";
import type { SessionInput } from "./session-types.js";
import { createWriteBarrier } from "./write-barrier.js";
import { createTaskRunner, defect } from "../access/task-runner.js";

/** Between sockets and the application. No method throws or rejects; those about an unknown connection do nothing. */
export type Dispatcher = {
  /**
   * A socket has opened. `enter` is called once its device may come in: only then the hub knows the connection. Resolves
   * when `connected` is on its outbox, or it was refused.
   */
  readonly opened: (
    connection: Connection,
    claims: Claims,
    options: { readonly syncToken?: string; readonly enter?: () => void | Promise<void> },
  ) => Promise<void>;
  readonly text: (connection: Connection, text: string) => void;
  readonly binary: (connection: Connection) => void;
  readonly closed: (connection: Connection) => void;
  /** Heartbeats and expiry, about once a second. */
  readonly tick: () => void;
  /** Writes what waits, then resolves when everything in flight has its outcome, at the latest after `drainMsMax`. */
  readonly drain: () => Promise<void>;
  /** Commands and queries in flight, of closed connections too. */
  readonly pending: () => number;
};

export const createDispatcher = (deps: DispatcherDeps): Dispatcher => {
  const decode = createFrameDecoder(deps.config.limits);
  const lives = new Map<string, Live>();
  const work = createTaskRunner(deps.logger, deps.ids);
  const admit = createConnectAdmission(deps);

  const feedLater: Feed = (live, input) => {
    feed(live, input);
  };
  const send = createSend(deps, work);
  const runEffect = createEffectRunner(deps, work, send, feedLater);
  const onText = createMessageLane(deps, send, feedLater);
  const feed = (live: Live, input: SessionInput): void => {
    try {
      const { state, effects } = step(live.config, live.state, input);
      live.state = state;
      for (const effect of effects) runEffect(live, effect);
    } catch (error) {
      defect(deps.logger, deps.ids, error, { connectionId: live.connection.connectionId, input: input.kind });
    }
  };
  const times = () => ({ now: deps.clock(), at: deps.monotonic() });
  const feedKnown = ({ connectionId }: Connection, input: SessionInput): void => {
    const live = lives.get(connectionId);
    if (live !== undefined) feed(live, input);
  };

  /** No caller waits for it: a use that is not told now is told in a while, and others send a device away that may not be here. */
  const noteUse = (live: Live): void => {
    live.usedAt = deps.monotonic();
    const { deviceType, issuedAt } = live.connection;
    const context = contextOf(deps, live, deps.clock());
    work.run(
      () => deps.deviceAccess.deviceInUse({ deviceType, ...issued(issuedAt) }, context),
      () => undefined,
      labels(live, "use"),
    );
  };

  return {
    opened: async (connection, claims, { syncToken, enter = () => undefined }) => {
      const config = { actor: connection.actor, heartbeatIntervalMs: deps.config.heartbeatIntervalMs, decode };
      const state = opening(claims.expiresAt, deps.monotonic());
      const writes = createWriteBarrier();
      const live: Live = { connection, config, state, writes, usedAt: undefined, hasTyped: false };
      lives.set(connection.connectionId, live);
      const payload = await admit(connection, claims, enter);
      if (payload === undefined) return;
      live.usedAt = deps.monotonic();
      feed(live, { kind: "connected", payload, ...times(), ...(syncToken === undefined ? {} : { syncToken }) });
    },
    text: (connection, text) => {
      const live = lives.get(connection.connectionId);
      if (live !== undefined) onText(live, text);
    },
    binary: (connection) => {
      feedKnown(connection, { kind: "binary" });
    },
    closed: (connection) => {
      const live = lives.get(connection.connectionId);
      if (live === undefined) return;
      lives.delete(connection.connectionId);
      clearTimeout(live.timer);
      feed(live, { kind: "closed" });
      // The log knows it to the day already.
      if (live.usedAt !== undefined) deps.app.used(connection.actor);
      if (live.hasTyped) deps.app.typing.gone(connection.actor);
    },
    tick: () => {
      const now = times();
      for (const live of lives.values()) {
        feed(live, { kind: "tick", ...now });
        if (live.usedAt !== undefined && now.at - live.usedAt >= bounds.usesMs) noteUse(live);
      }
    },
    drain: () => {
      for (const live of lives.values()) feed(live, { kind: "flush" });
      return work.idle(bounds.drainMsMax);
    },
    pending: work.pending,
  };
};
