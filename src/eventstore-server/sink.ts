/** The end of a call that the client listens at: writes wait for the client, an end of either side is known to both. */
import type { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { CallError } from "./errors.js";
import type { streams } from "./proto.js";

export type ReadRequest = InstanceType<typeof streams.ReadReq>;
export type ReadOptions = InstanceType<typeof streams.ReadReq.Options>;
export type ReadCall = ServerWritableStream<ReadRequest, Buffer>;

/** Events of one page: large enough that its fixed costs vanish, at most 8 MiB. */
export const pageEvents = 128;

export type Sink<Response = Buffer> = {
  /** Resolves when the client has taken enough to be sent more, or is gone. */
  readonly send: (response: Response) => void | Promise<void>;
  readonly ended: () => boolean;
  /** Called once, when the call has ended for whatever reason. */
  readonly onEnd: (listener: () => void) => void;
  readonly end: () => void;
  readonly fail: (error: CallError) => void;
};

type Call<Response> = {
  readonly write: (response: Response) => boolean;
  readonly end: () => unknown;
  readonly on: (event: string, listener: () => void) => unknown;
  readonly emit: (event: "error", error: Error) => unknown;
};

export const sinkOf = <Response>(call: Call<Response>): Sink<Response> => {
  const listeners: (() => void)[] = [];
  let over = false;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const resume of woken) resume();
  };
  const close = (): void => {
    if (over) return;
    over = true;
    wake();
    for (const listener of listeners) listener();
  };
  call.on("drain", wake);
  for (const event of ["cancelled", "close", "error"]) call.on(event, close);
  return {
    send: (response) => {
      if (over || call.write(response)) return undefined;
      return new Promise((resolve) => waiting.push(resolve));
    },
    ended: () => over,
    onEnd: (listener) => {
      if (over) listener();
      else listeners.push(listener);
    },
    end: () => {
      if (!over) call.end();
      close();
    },
    fail: (error) => {
      if (!over) call.emit("error", error);
      close();
    },
  };
};

/**
 * What a client sends, until it ends its side. The ordinary iterator destroys the stream at the end, and with it the
 * answers that are still to come.
 */
export const messagesOf = <Message>(call: Readable): AsyncIterable<Message> =>
  call.iterator({ destroyOnReturn: false }) as AsyncIterable<Message>;
