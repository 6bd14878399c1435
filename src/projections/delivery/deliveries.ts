import { deviceIdOf, userIdOf } from "../../domain/kernel/by.js";
import type { ConversationEvent, MessageSent } from "../../domain/conversation/conversation.events.js";
import type { ConversationId, DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { ReceiptsEvent } from "../../domain/receipts/receipts.events.js";
import type { UserEvent } from "../../domain/user/user.events.js";
import type { Delivery } from "../ports/bus.js";
import { isAboutMessage } from "../frames/about-message.js";
import {
  encodeMessage,
  erasedFrame,
  frameOf,
  hidden,
  receiptFrames,
  type Frame,
  type Shown,
} from "../frames/frames.js";
import { maySee, type Membership } from "./memberships.js";
import type { Revision } from "../../domain/kernel/stream.js";

export type Change = {
  readonly conversationId: ConversationId;
  readonly event: ConversationEvent;
  readonly pos: Revision;
  readonly before: Membership;
  readonly after: Membership;
  /** To members who may see the message that the change is about. */
  readonly shown: Shown;
};

/** A change's frames, each encoded once for all users that get the same. */
export const changeDeliveries = (change: Change): readonly Delivery[] => {
  const { conversationId, event, pos, before, after, shown } = change;
  if (event.type === "MessageSent") return messageDeliveries(change, event);
  const variants = new Map<string, { readonly frame: string; readonly recipients: UserId[] }>();
  // A change of membership concerns every user who was a member before it or is one after it.
  const concerned = event.type === "MemberLeft" ? before.members : after.members;
  const variantOf = variantsOf(event, after);
  for (const userId of concerned.keys()) {
    const variant = variantOf(userId);
    const known = variants.get(variant);
    if (known !== undefined) {
      known.recipients.push(userId);
      continue;
    }
    const frame = frameOf(conversationId, event, pos, userId, variant === unseen ? hidden : shown);
    if (frame !== undefined) variants.set(variant, { frame: JSON.stringify(frame), recipients: [userId] });
  }
  return [...variants.values()];
};

const everybody = "everybody";
const unseen = "unseen";

/** Users with the same variant get the same frame. */
const variantsOf = (event: ConversationEvent, after: Membership): ((userId: UserId) => string) => {
  if (event.type === "MemberJoined") {
    const newcomers = new Map(event.members.map(({ userId, role }) => [userId, role]));
    // Newcomers are told their role, and in a direct conversation who the other is.
    return (userId) => {
      const role = newcomers.get(userId);
      if (role === undefined) return everybody;
      return event.profile.kind === "direct" ? `newcomer ${userId}` : `newcomer ${role}`;
    };
  }
  if (isAboutMessage(event)) return (userId) => (maySee(after, userId, event.sequence) ? everybody : unseen);
  return () => everybody;
};

/** The one that is made for every message: two texts, without parsing the content, which is the content's JSON text. */
export const contentDeliveries = (
  conversationId: ConversationId,
  event: MessageSent,
  pos: Revision,
  { members }: Membership,
  content: string,
): readonly [Delivery, Delivery] => {
  const sender = userIdOf(event.by);
  const { own, others } = encodeMessage(conversationId, event, pos, content);
  return [
    { recipients: [sender], frame: own },
    { recipients: othersThan(sender, members), frame: others },
  ];
};

const othersThan = (sender: UserId, members: Membership["members"]): readonly UserId[] => {
  const others: UserId[] = [];
  for (const userId of members.keys()) if (userId !== sender) others.push(userId);
  return others;
};

const messageDeliveries = (change: Change, event: MessageSent): readonly Delivery[] => {
  const { conversationId, pos, after, shown } = change;
  if (shown.kind === "content") return contentDeliveries(conversationId, event, pos, after, shown.text);
  const sender = userIdOf(event.by);
  const frameFor = (viewerId: UserId) => JSON.stringify(frameOf(conversationId, event, pos, viewerId, shown));
  return [
    { recipients: [sender], frame: frameFor(sender) },
    // No user id is empty: nobody's own.
    { recipients: othersThan(sender, after.members), frame: frameFor("") },
  ];
};

/**
 * Direct conversations tell the other party; groups do not say who read what.
 *
 * @param seesReads undefined: not known yet
 * @returns undefined when that has to be read first
 */
export const receiptDeliveries = (
  membership: Membership,
  event: ReceiptsEvent,
  viewers: {
    readonly connected: (userId: UserId) => boolean;
    readonly seesReads: (userId: UserId) => boolean | undefined;
  },
): readonly Delivery[] | { readonly unknown: string } => {
  if (membership.kind !== "direct") return [];
  const deliveries: Delivery[] = [];
  for (const viewer of membership.members.keys()) {
    if (!viewers.connected(viewer) || event.cursors.every(({ userId }) => userId === viewer)) continue;
    const seesReads = viewers.seesReads(viewer);
    if (seesReads === undefined) return { unknown: viewer };
    for (const { userId, frame } of receiptFrames(event, seesReads))
      if (userId !== viewer) deliveries.push({ recipients: [viewer], frame: JSON.stringify(frame) });
  }
  return deliveries;
};

/** What a user's other devices learn of what one of them did. */
export const userDeliveries = (userId: UserId, event: UserEvent): readonly Delivery[] => {
  const mirrored = (frame: Frame, exceptDeviceId?: DeviceId): readonly Delivery[] => [
    { recipients: [userId], frame: JSON.stringify(frame), ...(exceptDeviceId === undefined ? {} : { exceptDeviceId }) },
  ];
  switch (event.type) {
    case "PreferencesChanged": {
      const payload = { conversationId: event.conversationId, ...event.changes };
      return mirrored({ type: "inbox.update", payload }, deviceIdOf(event.by));
    }
    // The device itself is told by its connection, or by the end of it.
    case "DeviceRegistered":
      return mirrored({ type: "device.updated", payload: { deviceId: event.deviceId } }, event.deviceId);
    case "DeviceRemoved":
      return mirrored({ type: "device.updated", payload: { deviceId: event.deviceId, removed: true } }, event.deviceId);
    // The others are found in the views (erasures.ts). Sockets end with the devices' removal, which asks the log first.
    case "UserErased":
      return mirrored(erasedFrame(userId, event.at));
    case "UserRegistered":
    case "ProfileChanged":
      return [];
  }
};
