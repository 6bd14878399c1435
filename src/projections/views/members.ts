import type { MemberJoined } from "../../domain/conversation/conversation.events.js";
import type { ConversationId, Sequence, UserId } from "../../domain/kernel/ids.js";
import type { PreferencesChanged } from "../../domain/user/user.events.js";
import type { Cursor } from "../../domain/receipts/receipts.events.js";
import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert, raise, type Value, type ViewChange } from "../view-change.js";
import type { EventPlace, Projection } from "./projection.js";

/** The members of a conversation, and how far each has received and read. */
export const members: Projection<"members"> = {
  MemberJoined: (event, place) => event.members.flatMap((member) => joined(event, member, place)),
  MemberLeft: ({ userId }, place) => [
    register(place, userId, { present: false, membershipPosition: place.position }),
    touched(place, userId),
  ],
  MemberRoleChanged: ({ userId, role }, place) => [register(place, userId, { role }), touched(place, userId)],
  ReceiptsAdvanced: ({ conversationId, cursors }, place) =>
    cursors.map((cursor) => advanced(conversationId, cursor, place)),
  PreferencesChanged: (event, place) => preferred(event, place),
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
const advanced = (conversationId: ConversationId, cursor: Cursor, place: EventPlace): ViewChange => {
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

const register = (place: EventPlace, userId: UserId, fields: Readonly<Record<string, Value>>): ViewChange =>
  assign("members", [streamId(place.stream), userId], fields, place.revision);

const touched = (place: EventPlace, userId: UserId): ViewChange =>
  raise("members", [streamId(place.stream), userId], { touched: place.position });

/** Every joining and leaving: what decides which messages a user may see. */
export const memberships: Projection<"memberships"> = {
  MemberJoined: (event, place) =>
    event.members.map(({ userId }) => step(place, userId, true, event.visibleFrom, event.at)),
  MemberLeft: ({ userId, leftAt, at }, place) => [step(place, userId, false, leftAt, at)],
};

const step = (place: EventPlace, userId: UserId, joining: boolean, sequence: Sequence, at: number): ViewChange =>
  insert("memberships", [streamId(place.stream), userId, place.revision], { joined: joining, sequence, at });
