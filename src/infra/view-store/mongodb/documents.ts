import type { Collection, Db } from "mongodb";
import type { ContentType, ConversationKind, Role } from "../../../domain/conversation/conversation.events.js";
import type { ConversationId, DeviceId, MessageId, Sequence, UserId } from "../../../domain/kernel/ids.js";
import type { DeviceType, Privacy } from "../../../domain/user/user.events.js";
import type { Key, ViewName } from "../../../projections/view-change.js";
import type { Revision } from "../../../domain/kernel/stream.js";

/**
 * How the views lie in MongoDB: a collection a view, a document a row. Facts and growing numbers are plain fields, a
 * register is `{ v: version, x: value }`, so that `$max` takes the newer: documents compare by their first field first.
 * A field is missing until its change has arrived, in whatever order changes come.
 */
type Register<A> = { readonly v: number; readonly x: A };

/** What a row has once what makes it exist is there: it came with one event, so the fields that event sets came too. */
export type ConversationDocument = {
  readonly _id: string;
  readonly conversationId: ConversationId;
  readonly kind: ConversationKind;
  readonly createdBy: UserId;
  readonly createdAt: number;
  readonly lastSequence?: Sequence;
  readonly headPos?: Revision;
  readonly activity?: number;
  readonly lastMessageAt?: number;
  readonly touched?: number;
  readonly name?: Register<string | null>;
  readonly description?: Register<string | null>;
  readonly avatarMediaId?: Register<string | null>;
  readonly settings?: Register<string>;
  readonly messageTtl?: Register<number | null>;
  readonly memberCount?: Register<number>;
};

export type MemberDocument = {
  readonly _id: string;
  readonly conversationId: ConversationId;
  readonly userId: UserId;
  readonly deliveredUpTo?: Sequence;
  readonly readUpTo?: Sequence;
  readonly shownReadUpTo?: Sequence;
  readonly deliveredStep?: Sequence;
  readonly readStep?: Sequence;
  readonly touched?: number;
  readonly present: Register<boolean>;
  readonly role: Register<Role>;
  readonly joinedAt: Register<number>;
  readonly joinedPos: Register<number>;
  readonly membershipPosition: Register<number>;
  readonly pinned?: Register<number | null>;
  readonly archived?: Register<boolean | null>;
  readonly mutedUntil?: Register<number | null>;
};

export type MembershipDocument = {
  readonly _id: string;
  readonly conversationId: ConversationId;
  readonly userId: UserId;
  readonly pos: Revision;
  readonly joined: boolean;
  readonly sequence: Sequence;
  readonly at: number;
};

export type MessageDocument = {
  readonly _id: string;
  readonly conversationId: ConversationId;
  readonly sequence: Sequence;
  readonly messageId: MessageId;
  readonly senderId: UserId;
  readonly senderDeviceId: DeviceId | null;
  readonly clientMessageId: string;
  readonly contentType: ContentType;
  readonly pos: Revision;
  readonly at: number;
  readonly replyTo: MessageId | null;
  /** JSON text. Missing in what was written before there were mentions and forwarded messages. */
  readonly mentions?: string | null;
  readonly forwarded?: true | null;
  readonly expiresAt: number | null;
  readonly updatedPos?: Revision;
  /** JSON text. */
  readonly content?: Register<string | null>;
  readonly editedAt?: Register<number | null>;
  readonly editDigest?: Register<string | null>;
  readonly deletedAt?: Register<number | null>;
};

export type ReactionDocument = {
  readonly _id: string;
  readonly conversationId: ConversationId;
  readonly sequence: Sequence;
  readonly digest: string;
  readonly userId: UserId;
  readonly minusFirstPos?: number;
  readonly present: Register<boolean>;
  /** JSON text; null for a removed one. */
  readonly shown: Register<string | null>;
};

type ReceiptStepDocument = { readonly _id: string; readonly minusAt: number };

type UserDocument = {
  readonly _id: string;
  readonly registeredAt?: number;
  readonly displayName?: Register<string | null>;
  readonly lastSeen?: Register<Privacy["lastSeen"] | null>;
  readonly readReceipts?: Register<boolean | null>;
  readonly erasedPosition?: Register<number>;
};

type DeviceDocument = {
  readonly _id: string;
  readonly deviceId: DeviceId;
  readonly deviceType: Register<DeviceType>;
  readonly registeredAt: Register<number>;
};

type Documents = {
  readonly conversations: ConversationDocument;
  readonly members: MemberDocument;
  readonly memberships: MembershipDocument;
  readonly messages: MessageDocument;
  readonly reactions: ReactionDocument;
  readonly receiptSteps: ReceiptStepDocument;
  readonly users: UserDocument;
  readonly devices: DeviceDocument;
};

export type ViewCollections = { readonly [View in ViewName]: Collection<Documents[View]> };

/** Every collection of the views begins with it, because keys and snapshots may share the database. */
export const collectionPrefix = "views.";

/** Views whose keys or fields mean something else than they did under an earlier name: names are sealed since `.2`. */
const renamed: Partial<Record<ViewName, string>> = {
  conversations: "conversations.2",
  reactions: "reactions.3",
  users: "users.2",
};

/**
 * Where a view's rows lie. One whose keys or fields change gets another name, and the views' checkpoints too: it is built
 * again from the log, and all other views become what they were. No process of this version reads what lies under the
 * old name. Of generations the first has the name alone.
 */
export const collectionOf = (view: ViewName, generation = 1): string =>
  collectionPrefix + (renamed[view] ?? view) + (generation === 1 ? "" : `__g${generation}`);
/** The `_id` of the checkpoints. Delivery's go on: a device that was told once need not be told again. */
export const checkpointsId = { views: "views.3", delivery: "delivery" } as const;

/**
 * Reads see what the primary has, whatever the URL prefers: a secondary may be behind the checkpoint that a reader has
 * waited for. What a change of primary undoes was not behind the checkpoint either, and is projected again.
 */
const local = { readConcern: { level: "local" }, readPreference: "primary" } as const;

export const collectionsOf = (db: Db, generation = 1): ViewCollections => {
  const of = <View extends ViewName>(view: View) =>
    db.collection<Documents[View]>(collectionOf(view, generation), local);
  return {
    conversations: of("conversations"),
    members: of("members"),
    memberships: of("memberships"),
    messages: of("messages"),
    reactions: of("reactions"),
    receiptSteps: of("receiptSteps"),
    users: of("users"),
    devices: of("devices"),
  };
};

/**
 * A row's `_id`: the parts of its key with a space between, numbers with their zeros in front, so that the order of the
 * ids is the order of the keys. No id holds a space; the digest of an old reaction may, but it stands before one id and after two parts
 * without, so different keys still have different ids.
 */
export const idOf = (...key: Key): string =>
  key.map((part) => (typeof part === "number" ? digits(part) : part)).join(" ");

/** As many as the greatest exact integer has. */
const digits = (part: number): string =>
  String(Math.min(Math.max(Math.trunc(part), 0), Number.MAX_SAFE_INTEGER)).padStart(16, "0");

/** All rows whose key begins with the parts. */
export const idsUnder = (...parts: Key): { readonly $gt: string; readonly $lt: string } => ({
  $gt: `${idOf(...parts)} `,
  $lt: afterAll(...parts),
});

/** Beyond every row whose key begins with the parts, and before every other: `!` comes behind the space, before all that ids hold. */
export const afterAll = (...parts: Key): string => `${idOf(...parts)}!`;

export const valueOf = <A>(register: Register<A> | undefined): A | null => register?.x ?? null;

/**
 * Condition on a fact that makes a row exist for readers. Beside an `_id` it is put to a field that no index has: a
 * planner may take an index that it fits instead, and look at a whole view for one page.
 */
export const arrived = { $exists: true } as const;
/** Condition on a register's value: assigned, and not assigned away. */
export const assigned = { $ne: null } as const;
