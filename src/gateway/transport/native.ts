/**
 * The doorway to uWebSockets.js: its own types leave out what exists at run time and name what does not, so the part
 * that Parley uses is declared here. Everything native is valid only between its callbacks: a socket until `close`, a
 * response until it was ended or aborted, a request until its handler returns; used later, it throws.
 */

export type NativeSocket<D> = {
  /** 1: handed to the kernel; 0: buffered, `drain` will follow; 2: dropped. */
  readonly send: (message: string | Uint8Array, isBinary: boolean) => number;
  /** Runs `work` with one write for everything that it sends. */
  readonly cork: (work: () => void) => unknown;
  /** Bytes in user space that the kernel has not taken yet. */
  readonly getBufferedAmount: () => number;
  /** Sends a close frame; the close handler runs before this returns. */
  readonly end: (code: number, reason: string) => void;
  /** Cuts the connection; the close handler runs before this returns. */
  readonly close: () => void;
  readonly getUserData: () => D;
};

export type NativeRequest = {
  /** Of a header in lower case; empty when absent. */
  readonly getHeader: (name: string) => string;
  /** Every header in its order, those that come twice as well; names in lower case. */
  readonly forEach: (visit: (name: string, value: string) => void) => unknown;
  readonly getCaseSensitiveMethod: () => string;
  /** Path, as sent. */
  readonly getUrl: () => string;
  /** Without the question mark, as sent. */
  readonly getQuery: () => string | undefined;
  /** Says that this handler passes: the next matching route gets the request. */
  readonly setYield: (passes: boolean) => unknown;
};

export type NativeResponse = {
  readonly writeStatus: (status: string) => unknown;
  readonly writeHeader: (name: string, value: string) => unknown;
  readonly end: (body: string, closeConnection: boolean) => unknown;
  /** Called without any argument it announces no length. */
  readonly endWithoutBody: (
    ...announced: readonly [] | readonly [contentLength: number, closeConnection: boolean]
  ) => unknown;
  readonly close: () => unknown;
  readonly cork: (work: () => void) => unknown;
  /** A handler that returns without an answer and without this ends the process. */
  readonly onAborted: (handler: () => void) => unknown;
  /** The chunk is emptied when the handler returns. */
  readonly onData: (handler: (chunk: ArrayBuffer, isLast: boolean) => void) => unknown;
  readonly upgrade: (data: unknown, key: string, protocol: string, extensions: string, context: unknown) => void;
};

export type NativeBehaviour<D> = {
  readonly compression: number;
  readonly maxPayloadLength: number;
  readonly maxBackpressure: number;
  /** Seconds; a multiple of 4 from 8 on. */
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  readonly upgrade: (response: NativeResponse, request: NativeRequest, context: unknown) => void;
  readonly open: (socket: NativeSocket<D>) => void;
  readonly message: (socket: NativeSocket<D>, message: ArrayBuffer, isBinary: boolean) => void;
  readonly drain: (socket: NativeSocket<D>) => void;
  readonly close: (socket: NativeSocket<D>, code: number, reason: ArrayBuffer) => void;
};

export type NativeApp = {
  readonly ws: <D>(pattern: string, behaviour: NativeBehaviour<D>) => unknown;
  readonly any: (pattern: string, handler: (response: NativeResponse, request: NativeRequest) => void) => unknown;
  /** `listening` is called before this returns. */
  readonly listen: (host: string, port: number, options: number, listening: (token: unknown) => void) => unknown;
  /** Cuts every connection. */
  readonly close: () => unknown;
};

export type Native = {
  readonly App: () => NativeApp;
  readonly DISABLED: number;
  readonly us_listen_socket_close: (token: unknown) => void;
  readonly us_socket_local_port: (token: unknown) => number;
};

/**
 * Bytes of a request's headers, its path included: a token of an identity provider and the cookies of a site make more
 * than the library's 4 KiB. The library reads it from the environment when it is loaded, and answers 431 beyond it.
 */
const headersBytesMax = "16384";

/** Rejects, and says what to do, where the library has no binary for this Node or system. */
export const loadNative = async (): Promise<Native> => {
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= headersBytesMax;
  try {
    return (await import("uWebSockets.js")) as unknown as Native;
  } catch (cause) {
    throw new Error(unsupported(process.version, process.platform, process.arch), { cause });
  }
};

export const unsupported = (node: string, platform: string, arch: string): string =>
  `Parley needs Node 20 or 22 on Linux with glibc (x64, arm64), macOS or Windows (x64): its socket library has no ` +
  `binary for Node ${node} on ${platform}-${arch}. Install Node 22 (nvm install 22) and start again; in a container ` +
  `use node:22-slim, not an Alpine image.`;
