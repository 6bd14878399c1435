import type { Either } from "../domain/kernel/fp.js";
import type { Actor, DeviceId, UserId } from "../domain/kernel/ids.js";
import type { DeviceType } from "../domain/user/user.events.js";
import type { Position } from "../domain/kernel/stream.js";
import type { Commands } from "../commands/commands.js";
import type { Typing } from "./ephemeral/typing.js";
import type { OpenContent } from "../projections/ports/open-content.js";
import type { Queries } from "../projections/queries/queries.js";

export { closeCodes } from "./protocol/codes.js";

/** The application as the gateway sees it: the same in both profiles. */
export type Application = {
  readonly commands: Commands;
  readonly queries: Queries;
  readonly typing: Typing;
  /** For what is answered from the state that a command made. */
  readonly open: OpenContent;
  /**
   * When the user's devices were last used, as far as it is known beside the log, which knows it to the day: now for those
   * that are connected, wherever that is; Unix milliseconds.
   */
  readonly lastUses: (userId: UserId) => ReadonlyMap<DeviceId, number> | Promise<ReadonlyMap<DeviceId, number>>;
  /** The device is in use. Told to the hour; one that is not taken is lost. */
  readonly used: (device: Actor) => void;
  /** Opaque incarnation of the log. */
  readonly epoch: string;
  /** Position of the log's last event. */
  readonly head: () => Promise<Position>;
  /** Whether every dependency answers; names and reasons of those that do not. */
  readonly readiness: () => Promise<Readiness>;
};

export type Readiness = { readonly ready: boolean; readonly problems: Readonly<Record<string, string>> };

/** What a good token says. Times in Unix milliseconds. */
export type Claims = Actor & { readonly expiresAt: number; readonly issuedAt?: number };

/**
 * Why a token is refused, for the log and the client. UNAVAILABLE: it cannot be judged now, since the keys that it
 * would be judged by cannot be fetched; a new token would fare no better.
 */
export type TokenRefusal = { readonly code: "UNAUTHORIZED" | "UNAVAILABLE"; readonly message: string };
export type Authenticator = (token: string) => Promise<Either<TokenRefusal, Claims>>;

/** One authenticated socket, as the dispatcher sees it. Every method is harmless after the socket has closed. */
export type Connection = {
  readonly connectionId: string;
  readonly actor: Actor;
  readonly deviceType: DeviceType;
  /** `iat` of the token that it showed last, Unix milliseconds. */
  issuedAt?: number | undefined;
  /** Queues a frame's JSON text on the outbox: answers and deliveries leave in the order of the calls, after `greet`. */
  readonly send: (frame: string) => void;
  /** Sends `connected`, then what waits for it. */
  readonly greet: (frame: string) => void;
  /** Sends what is queued, if it was greeted, then the last words and the close frame. */
  readonly close: (code: number, reason: string, lastWords?: readonly string[]) => void;
};

export type HttpRequest = {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  /** Read whole, at most `maxBodyBytes`; "too_large" beyond that. */
  readonly body: () => Promise<Buffer | "too_large">;
};
export type HttpResponse = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text, or plain text where `headers` say so. */
  readonly body?: string;
};

/** The gateway's measurements; `infra/telemetry.ts` makes them Prometheus'. */
export type GatewayMetrics = {
  readonly connectionOpened: () => void;
  /** A device that was connected to this process before has come back. */
  readonly reconnected: () => void;
  /** One of `closeCodes`, of WebSocket's own, or whatever the client says. */
  readonly connectionClosed: (code: number) => void;
  readonly authenticationFailed: (where: "upgrade" | "rest" | "refresh") => void;
  readonly heartbeatFailed: () => void;
  /** Seconds from the frame's arrival to the acknowledgement's queueing. */
  readonly sendLatency: (seconds: number) => void;
  readonly request: (type: string, outcome: string) => void;
  readonly framesQueued: (count: number) => void;
  /** What was in the outbox of a socket that was closed for being slow. */
  readonly framesDropped: (count: number) => void;
  /** Typing and presence that a slow socket was spared: nothing has to be mended. */
  readonly framesShed: (count: number) => void;
  /** A user typed and the others were not told, since too many memberships were being read. */
  readonly typingShed: () => void;
  readonly outboxBytes: (bytes: number) => void;
};

/** The part of pino that the gateway uses. */
export type Logger = {
  readonly debug: (details: object, message: string) => void;
  readonly info: (details: object, message: string) => void;
  readonly warn: (details: object, message: string) => void;
  readonly error: (details: object, message: string) => void;
};

/** A connection as the other processes know it. */
export type ConnectionKey = {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly connectionId: string;
};

/**
 * Which devices are connected to which gateway, as leases: whatever is not renewed is gone after `leaseMs`. It is a fast
 * path and never the truth: a device that is missing from it heals by `sync`. Every method rejects, within a bounded
 * time, while the store is away.
 *
 * - `enter`: the newest connection of a device wins everywhere. Answers the one it replaced, with the gateway that has to
 *   close it; none when it was this connection itself or had lapsed.
 * - `leave`: nothing happens when the device has a newer connection.
 * - `renew`: all of them for another `leaseMs`. `lapsed` had no lease any more (flushed, or renewed too late) and have one
 *   again: frames may have gone past them. `replaced` have a newer connection somewhere: their owner closes them.
 * - `used`: the device is in use now. `lastUses`: those of the last two days, by device, in Unix milliseconds of the store.
 */
export type ConnectionRegistry = {
  readonly enter: (connection: ConnectionKey) => Promise<(ConnectionKey & { readonly gatewayId: string }) | undefined>;
  readonly leave: (connection: ConnectionKey) => Promise<void>;
  readonly renew: (
    connections: readonly ConnectionKey[],
  ) => Promise<{ readonly lapsed: readonly ConnectionKey[]; readonly replaced: readonly ConnectionKey[] }>;
  readonly devicesOf: (userId: UserId) => Promise<readonly DeviceId[]>;
  readonly used: (device: Actor) => Promise<void>;
  readonly lastUses: (userId: UserId) => Promise<ReadonlyMap<DeviceId, number>>;
  /** Gateways that hold a connection of each user; a user without one is not in the answer. Answers keep the calls' order. */
  readonly gatewaysOf: (userIds: readonly UserId[]) => Promise<ReadonlyMap<UserId, readonly string[]>>;
};

/** `burst` at once, then `perMinute` evenly (GCRA). */
export type RateRule = { readonly perMinute: number; readonly burst: number };

/** `retryAfterMs`: when the same request would be allowed; 0 for one that is. A refused one costs nothing. */
export type RateLimiter = {
  readonly take: (key: string, rule: RateRule) => Promise<{ readonly allowed: boolean; readonly retryAfterMs: number }>;
};
