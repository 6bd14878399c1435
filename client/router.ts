import type { Account } from "./account.js";
import type { Emitter } from "./emitter.js";
import { kindOf } from "./contract/frames.js";
import { errorFrom } from "./errors.js";
import type { ClientEvents } from "./events.js";
import type { Outbox } from "./outbox.js";
import { conversationOf, isChange, isMessageAck, isSignal, type Frame, type MessageAck } from "./protocol.js";
import type { Requests } from "./requests.js";
import type { Sync } from "./sync.js";

export type Route = {
  readonly account: Account;
  readonly requests: Requests;
  readonly outbox: Outbox;
  readonly sync: Sync;
  readonly emitter: Emitter<ClientEvents>;
  readonly onErased: (userId: string) => void;
};

/** Takes each frame after `connected` to where it belongs. */
export function routeFrame(to: Route, frame: Frame): void {
  if (isChange(frame)) {
    const conversationId = conversationOf(frame);
    if (!to.account.apply(conversationId, { kind: "live", frame })) to.sync.require(conversationId);
    if (to.account.gapped.size > 0) to.sync.wake();
    return;
  }
  if (to.requests.settle(frame)) return;
  if (isSignal(frame)) {
    const { conversationId } = frame.payload;
    // Sync brings what is to be known of a conversation that is not known yet.
    if (to.account.conversations.has(conversationId)) to.account.apply(conversationId, { kind: "signal", frame });
    return;
  }
  routeOther(to, frame);
}

/** Frames of no conversation. A server may be newer than this library: what it does not know is passed on. */
function routeOther(to: Route, frame: Frame): void {
  switch (kindOf(frame.type)) {
    case "signal":
      to.emitter.emit("signal", frame);
      return;
    case "answer":
      // Late, to a request that was given up as too slow. It settles a message just as well.
      if (isMessageAck(frame)) to.outbox.onAck(frame.payload as MessageAck);
      return;
    case "connection":
      aboutConnection(to, frame);
      return;
    case "account":
      if (typeof frame.payload.userId === "string") to.onErased(frame.payload.userId);
      return;
    case "change":
    case "state":
    case undefined:
      to.emitter.emit("unknown", frame);
  }
}

/** `connected` and the delay of `server.draining` have been read by the connection. */
function aboutConnection(to: Route, frame: Frame): void {
  if (frame.type === "error") to.emitter.emit("error", errorFrom(frame.payload, "the server reported an error"));
  if (frame.type !== "sync.required") return;
  const { conversationId } = frame.payload;
  to.sync.require(typeof conversationId === "string" ? conversationId : undefined);
}
