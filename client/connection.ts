import { ceilingMs, fullJitterMs, type Backoff } from "./backoff.js";
import { adviceOf, type Advice } from "./contract/codes.js";
import { ParleyError, asParleyError, errorFrom, isOfErasedUser, millisecondsOf, type ErrorCode } from "./errors.js";
import { connectedFrom, parseFrame, type Connected, type DeviceType, type Frame } from "./protocol.js";
import type { Platform, Socket } from "./platform.js";
import { tokenFrom, type TokenSource } from "./token.js";

/** `syncing`: connected, what was missed is being fetched; `closed`: for good, until `connect` is called again. */
export type ConnectionState =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting" }
  | { readonly kind: "syncing" }
  | { readonly kind: "online" }
  | { readonly kind: "waiting"; readonly delayMs: number; readonly cause: ParleyError }
  | { readonly kind: "closed"; readonly cause: ParleyError };

export type ConnectionOptions = {
  readonly platform: Platform;
  /** http(s)://host[:port][/prefix], without a slash at its end */
  readonly url: string;
  readonly token: TokenSource;
  readonly deviceType: DeviceType | undefined;
  readonly backoff: Backoff;
  /** Until the `connected` frame, from the attempt's start. */
  readonly connectTimeoutMs: number;
  /** Asks the server over HTTP why it refuses: undefined when it does not, or cannot be reached either. */
  readonly probe: (token: string) => Promise<ParleyError | undefined>;
  readonly onConnected: (connected: Connected) => void;
  readonly onFrame: (frame: Frame) => void;
  readonly onDown: (cause: ParleyError) => void;
  /** The server says that this user was erased: nothing more will come. */
  readonly onErased: (cause: ParleyError) => void;
  readonly onState: (state: ConnectionState) => void;
  readonly onError: (error: ParleyError) => void;
};

export type Connection = {
  readonly connect: () => void;
  readonly close: (cause: ParleyError) => void;
  /** Gives up this socket and opens another one after the usual delay. */
  readonly recycle: (cause: ParleyError) => void;
  /** false: not connected. */
  readonly send: (text: string) => boolean;
  /** The missed changes are in. */
  readonly markOnline: () => void;
  readonly state: () => ConnectionState;
};

/** Upgrades that fail in a row before the server is asked why: browsers hide the status of a failed upgrade. */
const failedUpgradesBeforeProbe = 2;
/** Fresh tokens that may be refused in a row before it is pointless: the device was removed, or the secret is another. */
const rejectedTokensMax = 3;

export function createConnection(options: ConnectionOptions): Connection {
  const { platform } = options;
  let state: ConnectionState = { kind: "idle" };
  let socket: Socket | undefined;
  /** Every attempt has its number; whatever comes from an older one is ignored. */
  let generation = 0;
  let attempt = 0;
  let failedUpgrades = 0;
  let rejectedTokens = 0;
  let tokenRejected = false;
  /** What the server asked us to wait before the next attempt only. */
  let askedDelayMs: number | undefined;
  /** Of the last error: it counts when flooding closed the connection. */
  let retryAfterMs: number | undefined;
  let stopTimer = (): void => undefined;

  /** States that are to be told: a handler may bring the next one, and others hear of that after this one. */
  const untold: ConnectionState[] = [];
  let telling = false;

  const become = (next: ConnectionState): void => {
    state = next;
    untold.push(next);
    if (telling) return;
    telling = true;
    for (let told = untold.shift(); told !== undefined; told = untold.shift()) options.onState(told);
    telling = false;
  };

  const dropSocket = (): void => {
    generation += 1;
    stopTimer();
    const dropped = socket;
    socket = undefined;
    dropped?.close();
  };

  const close = (cause: ParleyError): void => {
    if (state.kind === "closed") return;
    const wasUp = isUp(state);
    dropSocket();
    become({ kind: "closed", cause });
    if (wasUp) options.onDown(cause);
  };

  const reconnectLater = (cause: ParleyError): void => {
    const wasUp = isUp(state);
    dropSocket();
    const jitterMs = fullJitterMs(options.backoff, attempt, platform.random);
    const delayMs =
      askedDelayMs === undefined ? jitterMs : askedDelayMs + fullJitterMs(options.backoff, 0, platform.random);
    askedDelayMs = undefined;
    attempt += 1;
    // Before any listener hears of it: one that closes the connection over it ends the timer, too.
    stopTimer = platform.startTimer(() => void open(), delayMs);
    become({ kind: "waiting", delayMs, cause });
    if (wasUp) options.onDown(cause);
  };

  /** The next attempt has a new one, unless it was one too many. */
  const refuseToken = (why: ParleyError): void => {
    tokenRejected = true;
    rejectedTokens += 1;
    if (rejectedTokens >= rejectedTokensMax) close(why);
  };

  /** Why upgrades fail, as far as HTTP tells. */
  const learnWhy = async (token: string, mine: number): Promise<void> => {
    const why = await options.probe(token);
    if (mine !== generation || why === undefined) return;
    options.onError(why);
    if (mine !== generation) return;
    if (why.retryAfterMs !== undefined) askedDelayMs = why.retryAfterMs;
    if (isOfErasedUser(why)) options.onErased(why);
    else if (why.code === "UNAUTHORIZED") refuseToken(why);
  };

  const onSocketClosed = async (code: number, reason: string, token: string, mine: number): Promise<void> => {
    if (mine !== generation) return;
    const then = adviceOf(code);
    const cause = causeOf(then, code, reason);
    // These are said to sockets that are open; `connected` need not have come yet.
    if (then === "stay") close(cause);
    else if (then === "newToken") refuseToken(cause);
    else if (then === "retryAfter") askedDelayMs = retryAfterMs;
    else if (!isUp(state)) {
      failedUpgrades += 1;
      if (failedUpgrades >= failedUpgradesBeforeProbe) await learnWhy(token, mine);
    }
    if (mine === generation) reconnectLater(cause);
  };

  const onConnected = (frame: Frame, mine: number): void => {
    const connected = connectedFrom(frame.payload);
    if (connected === undefined) {
      const cause = new ParleyError("PROTOCOL", "`connected` lacks what a connection needs");
      reconnectLater(cause);
      options.onError(cause);
      return;
    }
    stopTimer();
    failedUpgrades = 0;
    rejectedTokens = 0;
    become({ kind: "syncing" });
    if (mine === generation) options.onConnected(connected);
  };

  const onData = (data: unknown, mine: number): void => {
    const frame = parseFrame(data);
    if (frame === undefined) {
      options.onError(new ParleyError("PROTOCOL", "the server sent something that is not a frame"));
      return;
    }
    if (frame.type === "connected") {
      onConnected(frame, mine);
      return;
    }
    if (frame.type === "server.draining") askedDelayMs = millisecondsOf(frame.payload.reconnectAfterMs, 1);
    if (frame.type === "error") retryAfterMs = millisecondsOf(frame.payload.retryAfter, 1000);
    options.onFrame(frame);
    // Right before 4401, which says nothing of it.
    const error = frame.type === "error" ? errorFrom(frame.payload, "refused") : undefined;
    if (error !== undefined && isOfErasedUser(error) && mine === generation) options.onErased(error);
  };

  const open = async (): Promise<void> => {
    dropSocket();
    const mine = generation;
    stopTimer = platform.startTimer(() => {
      reconnectLater(new ParleyError("TIMEOUT", `no connection within ${options.connectTimeoutMs} ms`));
    }, options.connectTimeoutMs);
    become({ kind: "connecting" });
    const fresh = (): boolean => mine === generation; // asked again after whatever may call back
    if (!fresh()) return;
    try {
      const token = await tokenFrom(options.token, { rejected: tokenRejected });
      if (!fresh()) return;
      tokenRejected = false;
      retryAfterMs = undefined;
      const opened = socketWith(token, mine);
      if (fresh()) socket = opened;
      else opened.close();
    } catch (thrown) {
      if (!fresh()) return;
      const error = asParleyError(thrown, "PROTOCOL", "no WebSocket could be made");
      reconnectLater(error);
      options.onError(error);
    }
  };

  const socketWith = (token: string, mine: number): Socket =>
    platform.openSocket(socketUrl(options), ["parley.v1", `bearer.${token}`], {
      onMessage: (data) => {
        if (mine !== generation) return;
        try {
          onData(data, mine);
        } catch (thrown) {
          // The server is trusted for the shape of what it names, but not with the process.
          options.onError(asParleyError(thrown, "PROTOCOL", "a frame has another shape than its type"));
        }
      },
      onClose: (code, reason) => void onSocketClosed(code, reason, token, mine),
    });

  return {
    connect: () => {
      if (state.kind !== "idle" && state.kind !== "closed" && state.kind !== "waiting") return;
      attempt = 0;
      rejectedTokens = 0;
      void open();
    },
    close,
    recycle: (cause) => {
      if (isUp(state)) reconnectLater(cause);
    },
    send: (text) => {
      if (socket === undefined || !isUp(state)) return false;
      try {
        socket.send(text);
        return true;
      } catch {
        return false; // about to close, which it says itself
      }
    },
    markOnline: () => {
      if (state.kind !== "syncing") return;
      // What held for less than its delay was no success: a server that takes connections and drops them is not stormed.
      stopTimer = platform.startTimer(
        () => {
          attempt = 0;
        },
        ceilingMs(options.backoff, attempt),
      );
      become({ kind: "online" });
    },
    state: () => state,
  };
}

const isUp = (state: ConnectionState): boolean => state.kind === "syncing" || state.kind === "online";

const codeFor: Readonly<Record<Advice, ErrorCode>> = {
  fix: "PROTOCOL",
  newToken: "UNAUTHORIZED",
  jitter: "DISCONNECTED",
  stay: "REPLACED",
  retryAfter: "RATE_LIMITED",
  sync: "DISCONNECTED",
  reconnectAfter: "DISCONNECTED",
};

function causeOf(then: Advice, code: number, reason: string): ParleyError {
  const said = then === "stay" ? "this device has connected elsewhere" : `the connection closed: ${code} ${reason}`;
  return new ParleyError(codeFor[then], said);
}

function socketUrl({ url, deviceType }: ConnectionOptions): string {
  const query = deviceType === undefined ? "" : `?device_type=${deviceType}`;
  return `${url.replace(/^http/, "ws")}/ws${query}`;
}
