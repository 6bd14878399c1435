import type { MessageSent, ReactionAdded, ReactionRemoved } from "../../domain/conversation/conversation.events.js";
import { deviceIdOf, userIdOf } from "../../domain/kernel/by.js";
import type { Sequence } from "../../domain/kernel/ids.js";
import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert, raise, type ViewChange } from "../view-change.js";
import { idKeyOf } from "./id-key.js";
import type { EventPlace, Projection } from "./projection.js";
import { sealedValue } from "./sealed-value.js";

/** Messages by sequence. Content stays sealed: it is opened where an answer is made. */
export const messages: Projection<"messages"> = {
  MessageSent: (event, place) => sent(event, place),
  MessageEdited: (event, place) => {
    const fields = { content: JSON.stringify(event.content), editedAt: event.at, editDigest: event.digest };
    return [assign("messages", keyOf(event, place), fields, place.revision), updated(event, place)];
  },
  // Assigned away at a higher version: a replayed MessageSent or MessageEdited cannot bring it back.
  MessageDeleted: (event, place) => {
    const fields = { content: null, deletedAt: event.at };
    return [assign("messages", keyOf(event, place), fields, place.revision), updated(event, place)];
  },
  ReactionAdded: (event, place) => [updated(event, place)],
  ReactionRemoved: (event, place) => [updated(event, place)],
};

type OfMessage = { readonly sequence: Sequence };

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

/**
 * Which user reacted with what, by digest. A removed reaction stays as a row that says so, without its emoji: its version is what
 * an old event is beaten by.
 */
export const reactions: Projection<"reactions"> = {
  ReactionAdded: (event, place) => [
    assign("reactions", reactionKey(event, place), { present: true, shown: sealedValue(event.emoji) }, place.revision),
    raise("reactions", reactionKey(event, place), { minusFirstPos: 0 - place.revision }),
  ],
  ReactionRemoved: (event, place) => [
    assign("reactions", reactionKey(event, place), { present: false, shown: null }, place.revision),
  ],
};

const reactionKey = ({ sequence, digest, by }: ReactionAdded | ReactionRemoved, place: EventPlace) => [
  streamId(place.stream),
  sequence,
  digest,
  userIdOf(by),
];
