import { openSocket, type LoadSocket, type SocketOptions } from "./socket.js";

export type SocketGroup = {
  readonly at: (index: number) => LoadSocket;
  /** Rejects with the first connection that fails; never resolves. */
  readonly failed: Promise<never>;
  readonly close: () => void;
};

/** Servers bound the rate at which they accept; ten at a time pass everywhere. */
const concurrentOpens = 10;
/** Below the heartbeat interval of the protocol: a receiver that sends nothing else would be closed after three. */
const heartbeatMs = 20_000;

/** Opens `count` connections. The group owns them, their heartbeat included: `close` ends all. */
export const openAll = async (
  count: number,
  optionsOf: (index: number) => Omit<SocketOptions, "onFailure">,
  { heartbeat = false } = {},
): Promise<SocketGroup> => {
  const sockets: LoadSocket[] = [];
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // A measurement races against it; before and after that no caller has to listen.
  failed.catch(() => undefined);

  const close = (): void => {
    clearInterval(beating);
    for (const socket of sockets) socket.close();
  };
  const beating = setInterval(() => {
    if (heartbeat) for (const socket of sockets) socket.send('{"type":"heartbeat"}');
  }, heartbeatMs);

  try {
    for (let from = 0; from < count; from += concurrentOpens) {
      const indexes = Array.from({ length: Math.min(concurrentOpens, count - from) }, (_, i) => from + i);
      sockets.push(
        ...(await Promise.all(
          indexes.map((index) =>
            openSocket({
              ...optionsOf(index),
              onFailure: (error) => {
                fail(new Error(`connection ${index}: ${error.message}`, { cause: error }));
              },
            }),
          ),
        )),
      );
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    at: (index) => {
      const socket = sockets[index];
      if (socket === undefined) throw new RangeError(`no connection ${index}`);
      return socket;
    },
    failed,
    close,
  };
};
