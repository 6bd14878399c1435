/** What the library needs from where it runs; everything else in it is plain ECMAScript. */
export type Platform = {
  /**
   * Opens a WebSocket. `onClose` is called exactly once, also when it never opened (code 1006), and not when this throws:
   * a page may not be allowed to.
   */
  readonly openSocket: (url: string, protocols: readonly string[], handlers: SocketHandlers) => Socket;
  readonly fetch: (url: string, request: HttpRequest) => Promise<HttpAnswer>;
  /** Calls back once after `delayMs`, however long; the result cancels it. */
  readonly startTimer: (callback: () => void, delayMs: number) => () => void;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  /** A fresh UUID: the default `clientMessageId`. */
  readonly uuid: () => string;
};

export type SocketHandlers = {
  readonly onMessage: (data: unknown) => void;
  readonly onClose: (code: number, reason: string) => void;
};
export type Socket = { readonly send: (text: string) => void; readonly close: () => void };

export type HttpRequest = {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
};
export type HttpAnswer = { readonly status: number; readonly text: () => Promise<string> };

/** The part that browsers, Node 22 and the `ws` package agree on. */
export type WebSocketClass = new (
  url: string,
  protocols: string[],
) => {
  send(data: string): void;
  close(): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: "error", listener: (event: object) => void): void;
};

/** 24.8 days. What is longer fires at once: it is kept in 31 bits. */
const timeoutMsMax = 2 ** 31 - 1;

/** The platform of every modern runtime, with the WebSocket given. */
export function platformWith(WebSocketOf: WebSocketClass): Platform {
  return {
    openSocket: (url, protocols, handlers) => {
      const socket = new WebSocketOf(url, [...protocols]);
      socket.addEventListener("message", (event) => {
        handlers.onMessage(event.data);
      });
      socket.addEventListener("close", (event) => {
        handlers.onClose(event.code, event.reason);
      });
      // `close` always follows with what there is to know; without a listener `ws` would throw.
      socket.addEventListener("error", () => undefined);
      return {
        send: (text) => {
          socket.send(text);
        },
        close: () => {
          socket.close();
        },
      };
    },
    fetch: (url, request) => fetch(url, request),
    startTimer: (callback, delayMs) => {
      const timer = setTimeout(callback, Math.min(delayMs, timeoutMsMax));
      return () => {
        clearTimeout(timer);
      };
    },
    random: Math.random,
    uuid: () => crypto.randomUUID(),
  };
}
