import { openSocket } from "./socket.js";
import { deviceId, type ParleyServer } from "../server/parley.js";

type Payload = Readonly<Record<string, unknown>>;

/** One device that asks one thing at a time and waits for the answer, whole JSON: for what is measured in milliseconds. */
export type Asking = {
  /** Resolves with the answer's payload. Rejects with an `error` frame, a lost connection or after `patienceMs`. */
  readonly ask: (type: string, payload: Payload, patienceMs?: number) => Promise<Payload>;
  readonly close: () => void;
};

export const openAsking = async (server: Pick<ParleyServer, "url" | "token">, userId: string): Promise<Asking> => {
  let waiting: { readonly id: string; readonly settle: (answer: Payload | Error) => void } | undefined;
  let asked = 0;
  const socket = await openSocket({
    url: new URL("/ws", server.url),
    headers: { authorization: `Bearer ${server.token(userId)}` },
    onText: (buffer, start, end) => {
      const frame = JSON.parse(buffer.toString("utf8", start, end)) as { type: string; id?: string; payload: Payload };
      if (frame.id === undefined || frame.id !== waiting?.id) return;
      waiting.settle(frame.type === "error" ? new Error(JSON.stringify(frame.payload)) : frame.payload);
    },
    onFailure: (error) => waiting?.settle(error),
  });
  return {
    ask: (type, payload, patienceMs = 60_000) =>
      new Promise((resolve, reject) => {
        asked += 1;
        const id = `q${asked}`;
        const patience = setTimeout(() => {
          waiting?.settle(new Error(`${type} of ${userId}/${deviceId} had no answer in ${patienceMs} ms`));
        }, patienceMs);
        const settle = (answer: Payload | Error): void => {
          clearTimeout(patience);
          waiting = undefined;
          if (answer instanceof Error) reject(answer);
          else resolve(answer);
        };
        waiting = { id, settle };
        socket.send(JSON.stringify({ type, id, payload }));
      }),
    close: socket.close,
  };
};
