import type { DomainEvent, EventType } from "../../domain/catalogue.js";
import type { ViewName } from "../view-change.js";

/**
 * Which views each event concerns, in the order in which they are changed: the only list. An event of a new type is
 * missing here until its author has decided, and every view's table of handlers has to agree with it, by its type.
 */
export const concerns = {
  ConversationStarted: ["conversations"],
  MemberJoined: ["conversations", "members", "memberships"],
  MemberLeft: ["conversations", "members", "memberships"],
  MemberRoleChanged: ["conversations", "members"],
  SettingsChanged: ["conversations"],
  MessageSent: ["conversations", "messages"],
  MessageEdited: ["conversations", "messages"],
  MessageDeleted: ["conversations", "messages"],
  ReactionAdded: ["conversations", "messages", "reactions"],
  ReactionRemoved: ["conversations", "messages", "reactions"],
  ReceiptsAdvanced: ["conversations", "members", "receiptSteps"],
  UserRegistered: ["users"],
  ProfileChanged: ["users"],
  DeviceRegistered: ["devices"],
  DeviceRemoved: ["devices"],
  PreferencesChanged: ["members"],
  UserErased: ["users"],
  HoldSet: [],
  HoldReleased: [],
  AccessRecorded: [],
  ArchiveExported: [],
  TreeHeadSigned: [],
  TreeKeyAdded: [],
  LogStarted: [],
} as const satisfies Readonly<Record<EventType, readonly ViewName[]>>;

/** The types of the events that concern a view. */
export type Concerning<View extends ViewName> = {
  [Type in EventType]: View extends (typeof concerns)[Type][number] ? Type : never;
}[EventType];

export type EventOf<Type extends EventType> = Extract<DomainEvent, { readonly type: Type }>;
