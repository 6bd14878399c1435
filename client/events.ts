import type { ConnectionState } from "./connection.js";
import {
  messageAt,
  type ConversationEffect,
  type ConversationState,
  type Me,
  type PendingMessage,
} from "./conversation.js";
import type { Emitter } from "./emitter.js";
import type { ParleyError } from "./errors.js";
import type { ChangeFrame, Frame, MemberFrame, Message, SignalFrame } from "./protocol.js";

type Of<Type extends ChangeFrame["type"]> = Extract<ChangeFrame, { type: Type }>;
type SignalOf<Type extends SignalFrame["type"]> = Extract<SignalFrame, { type: Type }>;

/**
 * What an application can listen to. `conversation` is the state after the change; `live` is false for what was missed
 * and came by sync.
 */
export type ClientEvents = {
  readonly connection: ConnectionState;
  /** A message, also an own one; in order of `sequence` within a conversation. */
  readonly message: { readonly conversation: ConversationState; readonly message: Message; readonly live: boolean };
  /** Edited, deleted, reacted to, expired. */
  readonly "message.updated": {
    readonly conversation: ConversationState;
    readonly frame: Of<"message.updated" | "message.expired">;
    readonly live: boolean;
  };
  /** It came, changed, was left; `reset`: messages were dropped, page the history. */
  readonly conversation: {
    readonly conversation: ConversationState;
    readonly cause: "discovered" | "created" | "updated" | "reset" | "left";
  };
  readonly member: { readonly conversation: ConversationState; readonly frame: MemberFrame; readonly live: boolean };
  readonly receipt: {
    readonly conversation: ConversationState;
    readonly frame: SignalOf<"receipt.update" | "receipt.rollup">;
  };
  readonly inbox: { readonly conversation: ConversationState };
  /** An own message changed its status. */
  readonly pending: PendingMessage;
  /** Frames without a place in the state: `typing.update`, `presence.update`, `device.updated`, `media.updated`. */
  readonly signal: Frame;
  /** A frame that this version does not know. */
  readonly unknown: Frame;
  /** A user was erased: what they wrote is gone from the state, and their name is to be forgotten. It may come again. */
  readonly erased: { readonly userId: string };
  /**
   * `epoch`: the log has another one; everything known was dropped and is being fetched again. `erased`: the own user was;
   * everything is gone, the outbox and what it had stored too, and the client is closed.
   */
  readonly dropped: { readonly reason: "epoch" | "erased" };
  /** What no promise reports. The connection goes on by itself unless `connection` says `closed`. */
  readonly error: ParleyError;
};

/** Tells what a step of the reducer did. */
export function emitEffect(
  emitter: Emitter<ClientEvents>,
  conversation: ConversationState,
  effect: ConversationEffect,
): void {
  switch (effect.kind) {
    case "change":
      emitChange(emitter, conversation, effect.frame, effect.live);
      return;
    case "signal":
      if (effect.frame.type === "inbox.update") emitter.emit("inbox", { conversation });
      else emitter.emit("receipt", { conversation, frame: effect.frame });
      return;
    case "discovered":
    case "reset":
    case "left":
      emitter.emit("conversation", { conversation, cause: effect.kind });
  }
}

function emitChange(
  emitter: Emitter<ClientEvents>,
  conversation: ConversationState,
  frame: ChangeFrame,
  live: boolean,
): void {
  switch (frame.type) {
    case "message.new": {
      const { payload } = frame;
      const message = messageAt(conversation, payload.sequence) ?? { ...payload, updatedPos: payload.pos };
      emitter.emit("message", { conversation, message, live });
      return;
    }
    case "message.updated":
    case "message.expired":
      emitter.emit("message.updated", { conversation, frame, live });
      return;
    case "conversation.created":
      emitter.emit("conversation", { conversation, cause: "created" });
      return;
    case "conversation.updated":
      emitter.emit("conversation", { conversation, cause: "updated" });
      return;
    case "member.joined":
    case "member.left":
    case "member.role":
      emitter.emit("member", { conversation, frame, live });
  }
}

/** Highest sequence of others that these effects brought to this device; 0 for none. */
export function arrivedUpTo(conversation: ConversationState, effects: readonly ConversationEffect[], me: Me): number {
  let upTo = 0;
  for (const effect of effects) {
    if (effect.kind === "change" && effect.frame.type === "message.new") {
      if (effect.frame.payload.senderId !== me.userId) upTo = Math.max(upTo, effect.frame.payload.sequence);
    } else if (effect.kind === "discovered" || effect.kind === "reset") {
      if (conversation.inbox.unread > 0) upTo = Math.max(upTo, conversation.inbox.lastMessage?.sequence ?? 0);
    }
  }
  return conversation.membership === "member" ? upTo : 0;
}
