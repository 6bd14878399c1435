import type { Either } from "../../domain/kernel/fp.js";
import type { Actor } from "../../domain/kernel/ids.js";
import type { AdvanceReceipts, SendMessage } from "../../commands/commands.js";
import type { SyncRequest } from "../../projections/queries/queries.js";
import type { Claims, TokenRefusal } from "../ports.js";
import type { CloseReason, ErrorCode, Failure } from "../protocol/codes.js";
import type { Address, ChangeRequest, DecodedFrame, RequestType, TypingRequest } from "../protocol/frames.js";
import type { ConnectedPayload, ServerFrame } from "../protocol/server-frames.js";
import type { Batch, Receipts } from "./receipts.js";

/**
 * The vocabulary of `session.ts`: what it remembers, what it is told, what it wants done. All times are milliseconds:
 * `now` and `expiresAt` Unix', for tokens and answers; `at`, `lastTextAt` and `receivedAt` of a clock that is never set,
 * since a wall clock that is set forward would make every connection look silent.
 */
export type SessionState = {
  /** `connecting` until `connected` is sent: frames wait. `closed`: nothing is sent any more, writes are still finished. */
  readonly phase: "connecting" | "open" | "closed";
  readonly expiresAt: number;
  readonly lastTextAt: number;
  /** Requests without an answer; a receipt counts once for each of its cursors. */
  readonly inFlight: number;
  /** Length of the text of those requests. */
  readonly charsInFlight: number;
  readonly waiting: readonly WaitingFrame[];
  readonly receipts: Receipts<Request>;
  readonly receiptsTimer: "off" | "running";
  /** RATE_LIMITED in a row, each of a request received before `refusedUntil`, on the clock of `receivedAt`. */
  readonly refusals: number;
  readonly refusedUntil: number;
};

export type WaitingFrame = { readonly text: string; readonly receivedAt: number };

/** A request that has been let in. It travels with its effect and comes back with its answer: exactly once. */
export type Request = {
  readonly type: RequestType;
  readonly address: Address;
  readonly weight: number;
  readonly chars: number;
  /** What `text` brought, on the monotonic clock: for the latency, and whether it heeds the refusal before it. */
  readonly receivedAt: number;
};

export type SessionInput =
  | {
      readonly kind: "connected";
      readonly payload: ConnectedPayload;
      readonly syncToken?: string;
      readonly now: number;
      readonly at: number;
    }
  | {
      readonly kind: "text";
      readonly text: string;
      readonly now: number;
      readonly receivedAt: number;
      /** Of this text, where it is decoded already. */
      readonly frame?: DecodedFrame | undefined;
    }
  | { readonly kind: "binary" }
  | { readonly kind: "answered"; readonly request: Request; readonly answer: Either<Failure, ServerFrame> }
  | { readonly kind: "receipts_settled"; readonly batch: Batch<Request>; readonly failure?: Failure }
  | { readonly kind: "authenticated"; readonly request: Request; readonly result: Either<TokenRefusal, Claims> }
  | { readonly kind: "receipts_due" }
  | { readonly kind: "tick"; readonly now: number; readonly at: number }
  /** Whatever waits is written now: the server drains. */
  | { readonly kind: "flush" }
  | { readonly kind: "closed" };

export type SessionEffect =
  /** `connected`: everything else that is said to the connection comes after it. */
  | { readonly kind: "greet"; readonly frame: ServerFrame }
  | { readonly kind: "close"; readonly why: CloseReason }
  /** The end of a request. Without a frame: an `ack` that the client did not ask for, or the client is gone. */
  | {
      readonly kind: "answer";
      readonly type: RequestType | "unknown";
      readonly outcome: "ok" | ErrorCode;
      readonly request?: Request;
      readonly frame?: ServerFrame;
    }
  /** Each of these must come back as exactly one input; what writes is called in the order of the effects. */
  | { readonly kind: "message"; readonly request: Request; readonly message: SendMessage }
  | { readonly kind: "change"; readonly request: Request; readonly change: ChangeRequest }
  | { readonly kind: "typing"; readonly request: Request; readonly typing: TypingRequest }
  | { readonly kind: "receipts"; readonly batch: Batch<Request>; readonly advance: AdvanceReceipts }
  | { readonly kind: "sync"; readonly request: Request; readonly body: SyncRequest }
  | { readonly kind: "authenticate"; readonly request: Request; readonly token: string }
  /** `receipts_due` is wanted after this delay. */
  | { readonly kind: "timer"; readonly delayMs: number };

export type SessionStep = { readonly state: SessionState; readonly effects: readonly SessionEffect[] };

export type SessionConfig = {
  readonly actor: Actor;
  readonly heartbeatIntervalMs: number;
  readonly decode: (text: string) => DecodedFrame;
};
