import type { MessageSent } from "../../domain/conversation/conversation.events.js";
import { emojiKey } from "../../domain/conversation/emoji.js";
import { deviceIdOf, userIdOf } from "../../domain/kernel/by.js";
import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert, raise, type ViewChange } from "../view-change.js";
import { idKeyOf } from "./id-key.js";
import { nothing, type EventPlace, type Projection } from "./projection.js";

/** Messages by sequence. Content stays sealed: it is opened where an answer is made. */
export const messages: Projection = (event, place) => {
  switch (event.type) {
    case "MessageSent":
      return sent(event, place);
    case "MessageEdited": {
      const fields = { content: JSON.stringify(event.content), editedAt: event.at, editDigest: event.digest };
      return [assign("messages", keyOf(event, place), fields, place.revision), updated(event, place)];
    }
    // Assigned away at a higher version: a replayed MessageSent or MessageEdited cannot bring it back.
    case "MessageDeleted": {
      const fields = { content: null, deletedAt: event.at };
      return [assign("messages", keyOf(event, place), fields, place.revision), updated(event, place)];
    }
    case "ReactionAdded":
    case "ReactionRemoved":
      return [updated(event, place)];
    case "ConversationStarted":
    case "MemberJoined":
    case "MemberLeft":
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "ReceiptsAdvanced":
    case "UserRegistered":
    case "DeviceRegistered":
    case "DeviceRemoved":
    case "ProfileChanged":
    case "PreferencesChanged":
    case "LogStarted":
      return nothing;
  }
};

type OfMessage = { readonly sequence: number };

const keyOf = ({ sequence }: OfMessage, place: EventPlace) => [streamId(place.stream), sequence];

const updated = (event: OfMessage, place: EventPlace): ViewChange =>
  raise("messages", keyOf(event, place), { updatedPos: place.revision });

const sent = (event: MessageSent, place: EventPlace): readonly ViewChange[] => {
  const key = keyOf(event, place);
  const facts = {
    messageId: event.messageId,
    senderId: userIdOf(event.by),
    senderDeviceId: deviceIdOf(event.by) ?? null,
    clientMessageId: event.clientMessageId,
    contentType: event.contentType,
    pos: place.revision,
    at: event.at,
    replyTo: event.replyTo ?? null,
    mentions: event.mentions === undefined ? null : JSON.stringify(event.mentions),
    forwarded: event.forwarded ?? null,
    expiresAt: event.expiresAt ?? null,
    idKey: idKeyOf(event.messageId, place.position),
  };
  return [
    insert("messages", key, facts),
    assign("messages", key, { content: JSON.stringify(event.content) }, place.revision),
    raise("messages", key, { updatedPos: place.revision }),
  ];
};

/** Who reacted with what, however they spelled it. A removed reaction stays as a row that says so: its version is what an old event is beaten by. */
export const reactions: Projection = (event, place) => {
  switch (event.type) {
    case "ReactionAdded":
    case "ReactionRemoved": {
      const key = [streamId(place.stream), event.sequence, emojiKey(event.emoji), userIdOf(event.by)];
      const present = event.type === "ReactionAdded";
      const first = present ? [raise("reactions", key, { minusFirstPos: -place.revision })] : [];
      return [assign("reactions", key, { present, shown: event.emoji }, place.revision), ...first];
    }
    case "ConversationStarted":
    case "MemberJoined":
    case "MemberLeft":
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "MessageSent":
    case "MessageEdited":
    case "MessageDeleted":
    case "ReceiptsAdvanced":
    case "UserRegistered":
    case "DeviceRegistered":
    case "DeviceRemoved":
    case "ProfileChanged":
    case "PreferencesChanged":
    case "LogStarted":
      return nothing;
  }
};
