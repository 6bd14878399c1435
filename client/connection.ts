import { fullJitterMs, type Backoff } from "./backoff.js";
import { ParleyError, asParleyError } from "./errors.js";
import { parseFrame, type Connected, type DeviceType, type Frame } from "./protocol.js";
import type { Platform, Socket } from "./platform.js";

/** `syncing`: connected, what was missed is being fetched; `closed`: for good, until `connect` is called again. */
export type ConnectionState =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting" }
  | { readonly kind: "syncing" }
  | { readonly kind: "online" }
  | { readonly kind: "waiting"; readonly delayMs: number; readonly cause: ParleyError }
  | { readonly kind: "closed"; readonly cause: ParleyError };

export type TokenSource = (why: { readonly rejected: boolean }) => string | Promise<string>;

export type ConnectionOptions = {
  readonly platform: Platform;
  /** http(s)://host[:port][/prefix] */
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
  /** The missed changes are in: the next loss starts with the shortest delay again. */
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

  const become = (next: ConnectionState): void => {
    state = next;
    options.onState(next);
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
    become({ kind: "waiting", delayMs, cause });
    stopTimer = platform.startTimer(() => void open(), delayMs);
    if (wasUp) options.onDown(cause);
  };

  /** Why upgrades fail, as far as HTTP tells. Returns false when the connection was closed over it. */
  const learnWhy = async (token: string, mine: number): Promise<void> => {
    const why = await options.probe(token);
    if (mine !== generation || why === undefined) return;
    options.onError(why);
    if (why.retryAfterMs !== undefined) askedDelayMs = why.retryAfterMs;
    if (why.code !== "UNAUTHORIZED") return;
    tokenRejected = true;
    rejectedTokens += 1;
    if (rejectedTokens >= rejectedTokensMax) close(why);
  };

  const onSocketClosed = async (code: number, reason: string, token: string, mine: number): Promise<void> => {
    if (mine !== generation) return;
    const cause = causeOf(code, reason);
    if (isUp(state)) {
      if (code === 4409) {
        close(cause);
        return;
      }
      tokenRejected = code === 4401;
      if (code === 4429) askedDelayMs = retryAfterMs;
    } else {
      failedUpgrades += 1;
      if (failedUpgrades >= failedUpgradesBeforeProbe) await learnWhy(token, mine);
      if (mine !== generation) return;
    }
    reconnectLater(cause);
  };

  const onData = (data: unknown): void => {
    const frame = parseFrame(data);
    if (frame === undefined) {
      options.onError(new ParleyError("PROTOCOL", "the server sent something that is not a frame"));
      return;
    }
    if (frame.type === "connected") {
      stopTimer();
      failedUpgrades = 0;
      rejectedTokens = 0;
      become({ kind: "syncing" });
      options.onConnected(frame.payload as Connected);
      return;
    }
    if (frame.type === "server.draining") askedDelayMs = millisecondsOf(frame.payload.reconnectAfterMs, 1);
    if (frame.type === "error") retryAfterMs = millisecondsOf(frame.payload.retryAfter, 1000);
    options.onFrame(frame);
  };

  const open = async (): Promise<void> => {
    dropSocket();
    const mine = generation;
    become({ kind: "connecting" });
    let token: string;
    try {
      token = await options.token({ rejected: tokenRejected });
    } catch (thrown) {
      if (mine !== generation) return;
      const error = asParleyError(thrown, "UNAUTHORIZED", "no token");
      options.onError(error);
      reconnectLater(error);
      return;
    }
    if (mine !== generation) return;
    tokenRejected = false;
    retryAfterMs = undefined;
    stopTimer = platform.startTimer(() => {
      reconnectLater(new ParleyError("TIMEOUT", `no connection within ${options.connectTimeoutMs} ms`));
    }, options.connectTimeoutMs);
    const fresh = (): boolean => mine === generation;
    socket = platform.openSocket(socketUrl(options), ["parley.v1", `bearer.${token}`], {
      onMessage: (data) => {
        if (fresh()) onData(data);
      },
      onClose: (code, reason) => void onSocketClosed(code, reason, token, mine),
    });
  };

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
      socket.send(text);
      return true;
    },
    markOnline: () => {
      if (state.kind !== "syncing") return;
      attempt = 0;
      become({ kind: "online" });
    },
    state: () => state,
  };
}

const isUp = (state: ConnectionState): boolean => state.kind === "syncing" || state.kind === "online";

const millisecondsOf = (value: unknown, unitMs: number): number | undefined =>
  typeof value === "number" && value >= 0 ? value * unitMs : undefined;

function causeOf(code: number, reason: string): ParleyError {
  const said = `the connection closed: ${code} ${reason}`;
  switch (code) {
    case 4401:
      return new ParleyError("UNAUTHORIZED", said);
    case 4409:
      return new ParleyError("REPLACED", "this device has connected elsewhere");
    case 4429:
      return new ParleyError("RATE_LIMITED", said);
    case 4400:
    case 4413:
      return new ParleyError("PROTOCOL", said);
    default:
      return new ParleyError("DISCONNECTED", said);
  }
}

function socketUrl({ url, deviceType }: ConnectionOptions): string {
  const query = deviceType === undefined ? "" : `?device_type=${deviceType}`;
  return `${url.replace(/^http/, "ws").replace(/\/+$/, "")}/ws${query}`;
}
