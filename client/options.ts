import type { Backoff } from "./backoff.js";
import type { OutboxStore } from "./outbox-store.js";
import type { Platform } from "./platform.js";
import type { DeviceType } from "./protocol.js";
import type { TokenSource } from "./token.js";

export type ClientOptions = {
  /** Of the server: http(s)://host[:port], with a prefix if it sits behind one. Anything else is refused at once. */
  readonly url: string;
  /** Called before every connection and REST call; `rejected` says that the last one was refused: make a new one. */
  readonly token: TokenSource;
  readonly platform: Platform;
  readonly deviceType?: DeviceType;
  /** Where unacknowledged messages survive this client; in memory by default. One a user and device. */
  readonly storage?: OutboxStore;
  /** Closes the client when it aborts. */
  readonly signal?: AbortSignal;
  /** Whether messages that arrive are reported as delivered by themselves. Default true. */
  readonly acknowledgeDelivery?: boolean;
  /** Delays of reconnects and of repeated requests. Default 500 ms, doubled up to 30 s, each with full jitter. */
  readonly backoff?: Backoff;
  /** For the token, for an answer, and for `storage`. Default 10 s. */
  readonly requestTimeoutMs?: number;
  /** From an attempt's start to `connected`, the token included. Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** Messages that may wait for the server, refused ones included. Default 10,000. */
  readonly outboxMax?: number;
  /** Messages under way at once. 1 keeps the order of sending even when the server refuses one for a while. Default 32. */
  readonly inFlightMax?: number;
};

export type Settings = Omit<ClientOptions, keyof Defaults> & Defaults;
type Defaults = {
  readonly backoff: Backoff;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly outboxMax: number;
  readonly inFlightMax: number;
  readonly receiptsCoalesceMs: number;
  readonly frameBytesMax: number;
};

/** @throws TypeError for a URL that is not of that form. */
export function settingsOf(options: ClientOptions): Settings {
  // What is there and undefined counts as left out, also for applications that are not held to `exactOptionalPropertyTypes`.
  const given = Object.fromEntries(
    Object.entries<unknown>(options).filter(([, value]) => value !== undefined),
  ) as unknown as ClientOptions;
  const backoff = { ...defaults.backoff, ...options.backoff };
  return { ...defaults, ...given, backoff, url: serverUrl(options.url) };
}

/** Without the slash at its end. */
function serverUrl(url: string): string {
  const { protocol, username, password, search, hash, origin, pathname } = parsedUrl(url);
  if (/^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === "") {
    return `${origin}${pathname.replace(/\/+$/, "")}`;
  }
  throw new TypeError("url is not of the form http(s)://host[:port][/prefix]");
}

function parsedUrl(url: string): URL {
  try {
    return new URL(url);
  } catch {
    // The runtime's own words differ, and name no form. Nor is the text told: it may hold a password.
    throw new TypeError("url is not of the form http(s)://host[:port][/prefix]");
  }
}

const defaults: Defaults = {
  backoff: { delayMsBase: 500, delayMsMax: 30_000 },
  requestTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  outboxMax: 10_000,
  inFlightMax: 32,
  /** Receipts that move together go together; the server coalesces for as long again. */
  receiptsCoalesceMs: 50,
  /** Until `connected` says more. */
  frameBytesMax: 64 * 1024,
};
