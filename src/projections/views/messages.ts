import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert, raise } from "../view-change.js";
import { nothing, type Projection } from "./projection.js";

/** Messages by sequence. Content stays sealed: it is opened where an answer is made. */
export const messages: Projection = (event, place) => {
  switch (event.type) {
    case "MessageSent": {
      const key = [streamId(place.stream), event.sequence];
      const facts = {
        messageId: event.messageId,
        senderId: event.by.userId,
        senderDeviceId: event.by.deviceId,
        clientMessageId: event.clientMessageId,
        contentType: event.contentType,
        pos: place.revision,
        at: event.at,
        replyTo: event.replyTo ?? null,
        expiresAt: event.expiresAt ?? null,
      };
      return [
        insert("messages", key, facts),
        assign("messages", key, { content: JSON.stringify(event.content) }, place.revision),
        raise("messages", key, { updatedPos: place.revision }),
      ];
    }
    case "ConversationStarted":
    case "MemberJoined":
    case "MemberLeft":
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "ReceiptsAdvanced":
    case "UserRegistered":
    case "DeviceRegistered":
    case "LogStarted":
      return nothing;
  }
};
