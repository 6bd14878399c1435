import type { DomainEvent, EventType } from "../domain/catalogue.js";
import type { ViewChange, ViewName } from "./view-change.js";
import { concerns } from "./views/concerns.js";
import type { EventPlace, Handler, Projection } from "./views/projection.js";
import { conversations } from "./views/conversations.js";
import { members, memberships } from "./views/members.js";
import { messages, reactions } from "./views/messages.js";
import { receiptSteps } from "./views/receipt-steps.js";
import { devices, users } from "./views/users.js";

/** `sealed`: JSON text of a `Sealed`. */
export type FieldType = "text" | "sealed" | "integer" | "boolean";

/** The fields of a view. Each is a fact, a growing number or a register, and never two of these (DESIGN §4). */
export type ViewFields = {
  /** In the order in which a change's `key` gives them. */
  readonly key: Readonly<Record<string, "text" | "integer">>;
  readonly facts: Readonly<Record<string, FieldType>>;
  /** Numbers that only grow. */
  readonly raised: readonly string[];
  /** Last writer wins, each by a version of its own. */
  readonly registers: Readonly<Record<string, FieldType>>;
  /** The fact (in a view without facts the register, else the number) without which a row is not there for readers. */
  readonly exists: string;
};

/** The only list of views; stores make their schema from it. */
export const views: Readonly<Record<ViewName, ViewFields>> = {
  conversations: {
    key: { conversationId: "text" },
    /** `startedPosition`: log position of the conversation's first event. */
    facts: { kind: "text", home: "text", createdBy: "text", createdAt: "integer", startedPosition: "integer" },
    /**
     * `activity`: log position of the newest event of the conversation's stream. `touched`: of that or of its receipts'
     * stream, which is what a sync token is compared with.
     */
    raised: ["lastSequence", "headPos", "activity", "lastMessageAt", "touched"],
    registers: {
      name: "sealed",
      description: "sealed",
      avatarMediaId: "text",
      /** JSON text. */
      settings: "text",
      messageTtl: "integer",
      memberCount: "integer",
    },
    exists: "kind",
  },
  members: {
    key: { conversationId: "text", userId: "text" },
    /** None: a member who comes back is the same row. What happened when stands in `memberships`. */
    facts: {},
    /**
     * `deliveredUpTo`, `readUpTo`, `shownReadUpTo`: where ticks and unread stand; joining raises them, and what is read in
     * private raises all but `shownReadUpTo`, which is what others see. `deliveredStep`, `readStep`: raised by the
     * member's own receipts alone, so that no member counts as having received what was said before they came.
     */
    raised: ["deliveredUpTo", "readUpTo", "shownReadUpTo", "deliveredStep", "readStep", "touched"],
    registers: {
      present: "boolean",
      role: "text",
      joinedAt: "integer",
      joinedPos: "integer",
      visibleFrom: "integer",
      /** Log position of the newest joining or leaving. */
      membershipPosition: "integer",
      /** Preferences: written by the user's stream alone, so their versions are its revisions. */
      pinned: "integer",
      archived: "boolean",
      mutedUntil: "integer",
    },
    exists: "joinedPos",
  },
  memberships: {
    key: { conversationId: "text", userId: "text", pos: "integer" },
    /** `sequence`: `visibleFrom` of a joining, `leftAt` of a leaving. */
    facts: { joined: "boolean", sequence: "integer", at: "integer" },
    raised: [],
    registers: {},
    exists: "joined",
  },
  messages: {
    key: { conversationId: "text", sequence: "integer" },
    facts: {
      messageId: "text",
      senderId: "text",
      senderDeviceId: "text",
      clientMessageId: "text",
      contentType: "text",
      pos: "integer",
      at: "integer",
      replyTo: "text",
      /** User ids, as JSON text. */
      mentions: "text",
      forwarded: "boolean",
      expiresAt: "integer",
      /** `idKeyOf` the message: what a store finds it by. */
      idKey: "integer",
    },
    raised: ["updatedPos"],
    /** A register, so that a replayed MessageSent never brings back what was taken away. */
    registers: { content: "sealed", editedAt: "integer", editDigest: "text", deletedAt: "integer" },
    exists: "messageId",
  },
  reactions: {
    /** `digest`: the reaction's; `shown`: its emoji as the user spelled it. */
    key: { conversationId: "text", sequence: "integer", digest: "text", userId: "text" },
    facts: {},
    /** Minus the pos at which the user first added it: a minimum is a raised negative. */
    raised: ["minusFirstPos"],
    registers: { present: "boolean", shown: "sealed" },
    exists: "present",
  },
  receiptSteps: {
    /** `kind`: "delivered" or "read"; reading is receiving, so a "read" is both. */
    key: { conversationId: "text", userId: "text", kind: "text", upTo: "integer" },
    facts: {},
    /** Minus the first time at which one of the user's devices was so far. */
    raised: ["minusAt"],
    registers: {},
    exists: "minusAt",
  },
  users: {
    key: { userId: "text" },
    facts: { home: "text", registeredAt: "integer" },
    raised: [],
    registers: {
      displayName: "sealed",
      lastSeen: "text",
      readReceipts: "boolean",
      erasedAt: "integer",
      /** Log position of the erasure: what a sync token is compared with. */
      erasedPosition: "integer",
    },
    exists: "registeredAt",
  },
  devices: {
    key: { userId: "text", deviceId: "text" },
    /** None: a device that comes back is registered again; a removed one has no type. */
    facts: {},
    raised: [],
    registers: { deviceType: "text", registeredAt: "integer" },
    exists: "deviceType",
  },
};

/**
 * Of the views' fields and of what projections write. Raised whenever one of them changes, which a golden test tells:
 * views that a store has in an older form are built again from the log.
 */
export const viewsVersion = 5;

const projections: { readonly [View in ViewName]: Projection<View> } = {
  conversations,
  members,
  memberships,
  messages,
  reactions,
  receiptSteps,
  users,
  devices,
};

/** Every view has a handler for what `concerns` says of it: that is what the type of its table demands. */
const handlers = projections as Readonly<Record<ViewName, Readonly<Record<EventType, Handler>>>>;

/** All that an event changes in all views. A pure function: the same event always asks for the same. */
export const project = (event: DomainEvent, place: EventPlace): readonly ViewChange[] => {
  const changes: ViewChange[] = [];
  for (const view of concerns[event.type])
    for (const change of handlers[view][event.type](event, place)) changes.push(change);
  return changes;
};
