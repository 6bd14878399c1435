import { byOf, userIdOf, type By } from "./kernel/by.js";
import type { t } from "./kernel/fp.js";
import { E } from "./kernel/fp.js";
import { quoted } from "./kernel/json.js";
import type { NewEvent, RecordedEvent } from "./kernel/stream.js";
import {
  conversationStartedCodec,
  conversationStartedCodec1,
  memberJoinedCodec,
  memberJoinedCodec1,
  memberLeftCodec,
  memberRoleChangedCodec,
  messageDeletedCodec,
  messageEditedCodec,
  messageSentCodec,
  messageSentCodec1,
  reactionCodec,
  reactionCodec1,
  settingsChangedCodec,
  settingsChangedCodec1,
  upcastChanges,
  upcastProfile,
  upcastReaction,
  type ConversationEvent,
  type MessageSent,
} from "./conversation/conversation.events.js";
import { encodeMessageSent } from "./conversation/message.encode.js";
import { receiptsAdvancedCodec, type ReceiptsEvent } from "./receipts/receipts.events.js";
import {
  deviceRegisteredCodec,
  deviceRemovedCodec,
  preferencesChangedCodec,
  profileChangedCodec,
  profileChangedCodec1,
  profileChangedCodec2,
  upcastDisplayName,
  userErasedCodec,
  userRegisteredCodec,
  type UserEvent,
} from "./user/user.events.js";
import { accessRecordedCodec, archiveExportedCodec, type AccessEvent } from "./access.events.js";
import { treeHeadSignedCodec, treeKeyAddedCodec, type TreeEvent } from "./tree.events.js";
import { holdReleasedCodec, holdSetCodec, type HoldEvent } from "./holds.events.js";
import { logStartedCodec, logStartedCodec1, type LogStarted } from "./log.events.js";

export type DomainEvent =
  ConversationEvent | ReceiptsEvent | UserEvent | AccessEvent | HoldEvent | TreeEvent | LogStarted;
export type EventType = DomainEvent["type"];

/** One stored version of a type: how it is checked, and how it becomes the next version. The newest has no `upcast`. */
type StoredVersion = { readonly codec: t.Mixed; readonly upcast?: (data: never) => unknown };

/** Of a version that only gained fields which may be missing: it is a version all the same, so that an older process refuses it. */
const unchanged = <A>(data: A): A => data;

/** The only list of all events. Versions ascend from 1; a stored version is never removed. */
export const catalogue: Readonly<Record<EventType, readonly [StoredVersion, ...StoredVersion[]]>> = {
  ConversationStarted: [
    { codec: conversationStartedCodec1, upcast: upcastProfile },
    { codec: conversationStartedCodec },
  ],
  MemberJoined: [{ codec: memberJoinedCodec1, upcast: upcastProfile }, { codec: memberJoinedCodec }],
  MemberLeft: [{ codec: memberLeftCodec }],
  MemberRoleChanged: [{ codec: memberRoleChangedCodec }],
  SettingsChanged: [{ codec: settingsChangedCodec1, upcast: upcastChanges }, { codec: settingsChangedCodec }],
  MessageSent: [{ codec: messageSentCodec1, upcast: unchanged }, { codec: messageSentCodec }],
  MessageEdited: [{ codec: messageEditedCodec }],
  MessageDeleted: [{ codec: messageDeletedCodec }],
  ReactionAdded: [{ codec: reactionCodec1, upcast: upcastReaction }, { codec: reactionCodec }],
  ReactionRemoved: [{ codec: reactionCodec1, upcast: upcastReaction }, { codec: reactionCodec }],
  ReceiptsAdvanced: [{ codec: receiptsAdvancedCodec }],
  UserRegistered: [{ codec: userRegisteredCodec }],
  DeviceRegistered: [{ codec: deviceRegisteredCodec }],
  DeviceRemoved: [{ codec: deviceRemovedCodec }],
  ProfileChanged: [
    { codec: profileChangedCodec1 },
    { codec: profileChangedCodec2, upcast: upcastDisplayName },
    { codec: profileChangedCodec },
  ],
  PreferencesChanged: [{ codec: preferencesChangedCodec }],
  UserErased: [{ codec: userErasedCodec }],
  HoldSet: [{ codec: holdSetCodec }],
  HoldReleased: [{ codec: holdReleasedCodec }],
  AccessRecorded: [{ codec: accessRecordedCodec }],
  ArchiveExported: [{ codec: archiveExportedCodec }],
  TreeHeadSigned: [{ codec: treeHeadSignedCodec }],
  TreeKeyAdded: [{ codec: treeKeyAddedCodec }],
  LogStarted: [{ codec: logStartedCodec1, upcast: unchanged }, { codec: logStartedCodec }],
};

export type Causation = { readonly commandId: string; readonly correlationId: string };

/** Domain event → what the log stores. Total: a domain event always fits its newest version. */
export const encodeEvent = (event: DomainEvent, causation: Causation): NewEvent => {
  const { type, id, at, by } = event;
  const { commandId, correlationId } = causation;
  const schema = catalogue[type].length;
  if (event.type === "MessageSent") {
    const meta = encodeMeta(event, causation, schema);
    return { id, type, data: encodeMessageSent(event), meta, decoded: event };
  }
  const meta = { at, by, commandId, correlationId, schema };
  return { id, type, data: JSON.stringify(dataOf(event)), meta: JSON.stringify(meta), decoded: event };
};

/** Without what the log stores beside the data; JSON leaves undefined out. */
const dataOf = (event: DomainEvent): object => ({
  ...event,
  type: undefined,
  id: undefined,
  at: undefined,
  by: undefined,
});

const encodeMeta = ({ at, by }: MessageSent, { commandId, correlationId }: Causation, schema: number): string => {
  const who =
    by.kind === "user"
      ? `{"kind":"user","userId":${quoted(by.userId)},"deviceId":${quoted(by.deviceId)}}`
      : JSON.stringify(by);
  return `{"at":${at},"by":${who},"commandId":${quoted(commandId)},"correlationId":${quoted(correlationId)},"schema":${schema}}`;
};

/** An event that this version of Parley cannot read: a newer one's, or damage. Never skipped silently. */
export class UnreadableEvent extends Error {
  constructor(
    readonly event: Pick<RecordedEvent, "stream" | "revision" | "type">,
    reason: string,
  ) {
    super(`${event.type} at ${event.stream}@${event.revision} cannot be read: ${reason}`);
    this.name = "UnreadableEvent";
  }
}

/** A message is shown with its sender, a reaction with its author: one without could not be shown. */
const hasAuthor = (type: EventType): boolean =>
  type === "MessageSent" || type === "ReactionAdded" || type === "ReactionRemoved";

const isKnownType = (type: string): type is EventType => Object.hasOwn(catalogue, type);

/**
 * What the log stores → domain event in its newest form.
 * @throws UnreadableEvent for an unknown type or version, or for data that its codec refuses.
 */
export const decodeEvent = (recorded: RecordedEvent): DomainEvent => {
  if (recorded.decoded !== undefined) return recorded.decoded as DomainEvent;
  const { type } = recorded;
  if (!isKnownType(type)) throw new UnreadableEvent(recorded, "unknown type");
  const meta = metaOf(recorded);
  const versions = catalogue[type];
  const stored = versions[meta.schema - 1];
  if (stored === undefined) throw new UnreadableEvent(recorded, `unknown version ${meta.schema}`);
  if (hasAuthor(type) && userIdOf(meta.by) === undefined) throw new UnreadableEvent(recorded, "nobody did it");
  let data: unknown = parse(recorded, stored.codec, recorded.data);
  for (let version = meta.schema - 1; version < versions.length - 1; version += 1)
    data = versions[version]?.upcast?.(data as never) ?? data;
  return { type, id: recorded.id, at: meta.at, by: meta.by, ...(data as object) } as DomainEvent;
};

type Meta = { readonly at: number; readonly by: By; readonly schema: number };

/** Written out, since every event is read with it; `commandId` and `correlationId` are for those who look into a log. */
const metaOf = (recorded: RecordedEvent): Meta => {
  const json = jsonOf(recorded, recorded.meta);
  if (typeof json !== "object" || json === null) throw new UnreadableEvent(recorded, "bad metadata");
  const { at, by: stored, commandId, correlationId, schema } = json as Readonly<Record<string, unknown>>;
  const by = byOf(stored);
  if (by === undefined) throw new UnreadableEvent(recorded, "bad by");
  if (typeof at !== "number" || typeof schema !== "number") throw new UnreadableEvent(recorded, "bad at or schema");
  if (typeof commandId !== "string" || typeof correlationId !== "string")
    throw new UnreadableEvent(recorded, "bad commandId or correlationId");
  return { at, by, schema };
};

const jsonOf = (recorded: RecordedEvent, text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableEvent(recorded, "not JSON");
  }
};

const parse = <A>(recorded: RecordedEvent, codec: t.Type<A>, text: string): A => {
  const json = jsonOf(recorded, text);
  // Decoding builds a path of contexts and a copy for each field: only what is not plainly so is worth it.
  if (codec.is(json)) return json;
  const decoded = codec.decode(json);
  if (E.isLeft(decoded))
    throw new UnreadableEvent(
      recorded,
      `bad ${decoded.left[0]?.context.map((entry) => entry.key).join(".") ?? "data"}`,
    );
  return decoded.right;
};

/** Decodes an event of a conversation's stream. @throws UnreadableEvent */
export const decodeConversationEvent = (recorded: RecordedEvent): ConversationEvent =>
  decodeEvent(recorded) as ConversationEvent;
/** Decodes an event of a receipts stream. @throws UnreadableEvent */
export const decodeReceiptsEvent = (recorded: RecordedEvent): ReceiptsEvent => decodeEvent(recorded) as ReceiptsEvent;
/** Decodes an event of a user's stream. @throws UnreadableEvent */
export const decodeUserEvent = (recorded: RecordedEvent): UserEvent => decodeEvent(recorded) as UserEvent;
