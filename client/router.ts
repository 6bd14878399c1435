import type { Account } from "./account.js";
import type { Emitter } from "./emitter.js";
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

/** Frames of no conversation. A server may be newer than this list: what it does not name is passed on. */
function routeOther(to: Route, frame: Frame): void {
  switch (frame.type) {
    case "message.ack":
      // For an attempt that was given up as too slow: it settles the message just as well.
      if (isMessageAck(frame)) to.outbox.onAck(frame.payload as MessageAck);
      return;
    case "sync.required": {
      const { conversationId } = frame.payload;
      to.sync.require(typeof conversationId === "string" ? conversationId : undefined);
      return;
    }
    case "error":
      to.emitter.emit("error", errorFrom(frame.payload, "the server reported an error"));
      return;
    case "typing.update":
    case "presence.update":
    case "device.updated":
    case "media.updated":
      to.emitter.emit("signal", frame);
      return;
    case "server.draining": // the connection has read its delay
    case "ack": // late answers to requests that were given up
    case "heartbeat.ack":
    case "sync.result":
    case "presence.bulk":
      return;
    default:
      to.emitter.emit("unknown", frame);
  }
}
