import type { ConversationProfile, SettingsChanged } from "../../domain/conversation/conversation.events.js";
import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert, raise, type Value, type ViewChange } from "../view-change.js";
import type { EventPlace, Projection } from "./projection.js";
import { sealedValue } from "./sealed-value.js";

/** Conversations and their heads: one row each, whatever the number of members. */
export const conversations: Projection<"conversations"> = {
  ConversationStarted: ({ profile, home }, place) => started(profile, home, place),
  MemberJoined: ({ memberCount }, place) => [moved(place), register(place, { memberCount })],
  MemberLeft: ({ memberCount }, place) => [moved(place), register(place, { memberCount })],
  MemberRoleChanged: (_, place) => [moved(place)],
  SettingsChanged: ({ changes }, place) => [moved(place), register(place, changed(changes))],
  MessageSent: ({ sequence, at }, place) => [moved(place, { lastSequence: sequence, lastMessageAt: at })],
  MessageEdited: (_, place) => [moved(place)],
  MessageDeleted: (_, place) => [moved(place)],
  ReactionAdded: (_, place) => [moved(place)],
  ReactionRemoved: (_, place) => [moved(place)],
  ReceiptsAdvanced: ({ conversationId }, { position }) => [
    raise("conversations", [conversationId], { touched: position }),
  ],
};

const started = (profile: ConversationProfile, home: string, place: EventPlace): readonly ViewChange[] => {
  const { kind, createdBy, createdAt, settings, name, description, avatarMediaId, messageTtl } = profile;
  return [
    insert("conversations", keyOf(place), { kind, home, createdBy, createdAt, startedPosition: place.position }),
    moved(place),
    register(place, {
      name: name === undefined ? null : sealedValue(name),
      description: description === undefined ? null : sealedValue(description),
      avatarMediaId: avatarMediaId ?? null,
      settings: JSON.stringify(settings),
      messageTtl: messageTtl ?? null,
    }),
  ];
};

/** Only what was changed: a register keeps the version at which it was last written. */
const changed = (changes: SettingsChanged["changes"]): Readonly<Record<string, Value>> => {
  const { name, description, settings, ...others } = changes;
  return {
    ...others,
    ...(name === undefined ? {} : { name: sealedValue(name) }),
    ...(description === undefined ? {} : { description: sealedValue(description) }),
    ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
  };
};

const keyOf = (place: EventPlace) => [streamId(place.stream)];

/** Every event of the conversation's stream moves its head. */
const moved = (place: EventPlace, further: Readonly<Record<string, number>> = {}): ViewChange =>
  raise("conversations", keyOf(place), {
    headPos: place.revision,
    activity: place.position,
    touched: place.position,
    ...further,
  });

const register = (place: EventPlace, fields: Readonly<Record<string, Value>>): ViewChange =>
  assign("conversations", keyOf(place), fields, place.revision);
