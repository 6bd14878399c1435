import type { Connection } from "../ports.js";
import { closeCodes } from "../protocol/codes.js";
import type { ServerFrame } from "../protocol/server-frames.js";

/**
 * Ends a connection whose client is to come back by itself, after that many milliseconds (PROTOCOL §3, 1012).
 * `before`: frames that say why.
 */
export const askBack = (
  connection: Pick<Connection, "close">,
  reconnectAfterMs: number,
  before: readonly string[] = [],
): void => {
  const draining: ServerFrame = { type: "server.draining", payload: { reconnectAfterMs } };
  connection.close(closeCodes.draining.code, closeCodes.draining.reason, [...before, JSON.stringify(draining)]);
};
