import type { MemberJoined } from "../../domain/conversation/conversation.events.js";
import type { PreferencesChanged } from "../../domain/user/user.events.js";
import type { Cursor } from "../../domain/receipts/receipts.events.js";
import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert, raise, type ViewChange } from "../view-change.js";
import { nothing, type EventPlace, type Projection } from "./projection.js";

/** Who is in a conversation, and how far each has received and read. */
export const members: Projection = (event, place) => {
  switch (event.type) {
    case "MemberJoined":
      return event.members.flatMap((member) => joined(event, member, place));
    case "MemberLeft":
      return [
        assign(
          "members",
          [streamId(place.stream), event.userId],
          { present: false, membershipPosition: place.position },
          place.revision,
        ),
        touched(place, event.userId),
      ];
    case "MemberRoleChanged":
      return [
        assign("members", [streamId(place.stream), event.userId], { role: event.role }, place.revision),
        touched(place, event.userId),
      ];
    case "ReceiptsAdvanced":
      return event.cursors.map((cursor) => advanced(event.conversationId, cursor, place));
    case "PreferencesChanged":
      return preferred(event, place);
    case "ConversationStarted":
    case "SettingsChanged":
    case "MessageSent":
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved":
    case "UserRegistered":
    case "DeviceRegistered":
    case "DeviceRemoved":
    case "ProfileChanged":
    case "LogStarted":
      return nothing;
  }
};

const joined = (
  event: MemberJoined,
  { userId, role }: MemberJoined["members"][number],
  place: EventPlace,
): readonly ViewChange[] => {
  const key = [streamId(place.stream), userId];
  return [
    assign(
      "members",
      key,
      {
        present: true,
        role,
        joinedAt: event.at,
        joinedPos: place.revision,
        visibleFrom: event.visibleFrom,
        membershipPosition: place.position,
      },
      place.revision,
    ),
    // What was said before they came is neither new to them nor waited for by the senders' ticks.
    raise("members", key, {
      deliveredUpTo: event.sequence,
      readUpTo: event.sequence,
      shownReadUpTo: event.sequence,
      touched: place.position,
    }),
  ];
};

/** Reading implies having received. What is read in private is shown as received. */
const advanced = (conversationId: string, cursor: Cursor, place: EventPlace): ViewChange => {
  const { userId, deliveredUpTo = 0, readUpTo = 0 } = cursor;
  const delivered = Math.max(deliveredUpTo, readUpTo);
  const shown = cursor.private === true ? 0 : readUpTo;
  return raise("members", [conversationId, userId], {
    deliveredUpTo: delivered,
    readUpTo,
    shownReadUpTo: shown,
    deliveredStep: delivered,
    readStep: shown,
    touched: place.position,
  });
};

/** The user's stream alone writes these registers: its revisions are their versions. */
const preferred = ({ conversationId, changes }: PreferencesChanged, place: EventPlace): readonly ViewChange[] => {
  const key = [conversationId, streamId(place.stream)];
  return [assign("members", key, changes, place.revision), raise("members", key, { touched: place.position })];
};

const touched = (place: EventPlace, userId: string): ViewChange =>
  raise("members", [streamId(place.stream), userId], { touched: place.position });

/** Every joining and leaving: what decides which messages somebody may see. */
export const memberships: Projection = (event, place) => {
  switch (event.type) {
    case "MemberJoined":
      return event.members.map(({ userId }) => step(place, userId, true, event.visibleFrom, event.at));
    case "MemberLeft":
      return [step(place, event.userId, false, event.leftAt, event.at)];
    case "ConversationStarted":
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "MessageSent":
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved":
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

const step = (place: EventPlace, userId: string, joining: boolean, sequence: number, at: number): ViewChange =>
  insert("memberships", [streamId(place.stream), userId, place.revision], { joined: joining, sequence, at });
