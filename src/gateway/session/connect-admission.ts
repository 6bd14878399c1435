import { askBack } from "../connections/ask-back.js";
import { byUser } from "../../domain/kernel/by.js";
import { E } from "../../domain/kernel/fp.js";
import { gatewayLimits as bounds } from "../limits.js";
import type { DispatcherDeps } from "./dispatch-types.js";
import type { Claims, Connection } from "../ports.js";
import { closeCodes, type Failure } from "../protocol/codes.js";
import type { ConnectedPayload } from "../protocol/server-frames.js";
import { errorFrame } from "./answers.js";
import { issued } from "../access/device-access.js";
import { defect } from "../access/task-runner.js";

/**
 * What stands between a socket and `connected`: user and device are in the log; only then the hub knows the connection
 * (`enter`), since one that may not come in must neither get frames nor end the one that did; and the head is read after
 * that, so that whatever `sync` does not bring arrives live.
 *
 * Answers the payload of `connected`. When the server cannot (the log does not answer, or a defect) the client reads
 * `error`, then `server.draining` with a jittered delay, and is closed with 1012: it comes back by itself, as after a
 * restart. When the device may not come in (removed, suspended) it is closed with 4401: only a new token helps. Never rejects.
 */
export const createConnectAdmission = ({ app, deviceAccess, metrics, clock, ids, logger, config }: DispatcherDeps) => {
  const register = async (
    connection: Connection,
    { issuedAt }: Claims,
    enter: () => void | Promise<void>,
  ): Promise<Failure | undefined> => {
    const { connectionId, actor, deviceType } = connection;
    const ask = () => {
      const context = { commandId: ids.uuid(), correlationId: connectionId, now: clock(), by: byUser(actor) };
      return deviceAccess.deviceConnected({ deviceType, ...issued(issuedAt) }, context);
    };
    try {
      const removalsBefore = deviceAccess.removalsTold();
      const registered = await ask();
      if (E.isLeft(registered)) return registered.left;
      await enter();
      // From now on a removal finds the connection. One that was told before found none, and may be later in the log than
      // the answer.
      const again = deviceAccess.removalsTold() === removalsBefore ? registered : await ask();
      if (E.isLeft(again)) return again.left;
      await app.head();
      return undefined;
    } catch (error) {
      return defect(logger, ids, error, { type: "connect", connectionId, userId: actor.userId });
    }
  };

  return async (
    connection: Connection,
    claims: Claims,
    enter: () => void | Promise<void>,
  ): Promise<ConnectedPayload | undefined> => {
    const failure = await register(connection, claims, enter);
    if (failure !== undefined) {
      if (failure.code === "UNAUTHORIZED") metrics.authenticationFailed("upgrade");
      refuse(connection, failure);
      return undefined;
    }
    const { maxMessageBytes, maxFrameBytes } = config.limits;
    return {
      connectionId: connection.connectionId,
      ...connection.actor,
      epoch: app.epoch,
      serverTime: clock(),
      heartbeatInterval: config.heartbeatIntervalMs,
      limits: { maxMessageBytes, maxFrameBytes, messagesPerMinute: config.messagesPerMinute ?? 0 },
    };
  };
};

const refuse = (connection: Connection, failure: Failure): void => {
  const error = JSON.stringify(errorFrame(failure, {}));
  if (!isServersFault(failure)) {
    connection.close(closeCodes.tokenExpired.code, "this device may not connect", [error]);
    return;
  }
  const spreadMs = bounds.reconnectAfterMsMax - bounds.reconnectAfterMsMin;
  const reconnectAfterMs = bounds.reconnectAfterMsMin + Math.floor(Math.random() * spreadMs);
  askBack(connection, reconnectAfterMs, [error]);
};

const isServersFault = ({ code }: Failure): boolean =>
  code === "UNAVAILABLE" || code === "CONFLICT" || code === "INTERNAL";
