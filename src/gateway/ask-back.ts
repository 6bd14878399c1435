import { closeCodes } from "./protocol/codes.js";

/** Ends a connection whose client is to come back by itself, after that many milliseconds (PROTOCOL §3, 1012). */
export const askBack = (
  connection: {
    readonly send: (frame: string) => void;
    readonly close: (code: number, reason: string) => void;
  },
  reconnectAfterMs: number,
): void => {
  connection.send(JSON.stringify({ type: "server.draining", payload: { reconnectAfterMs } }));
  connection.close(closeCodes.draining.code, closeCodes.draining.reason);
};
