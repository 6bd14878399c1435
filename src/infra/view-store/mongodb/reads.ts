import { asPosition } from "../../../domain/kernel/stream.js";
import { defaultPrivacy } from "../../../domain/user/user.events.js";
import type { ViewReads } from "../../../projections/ports/view-store.js";
import { sealedOf } from "../../../projections/views/sealed-value.js";
import { reachable } from "../../engines/mongodb/connection.js";
import { afterAll, idOf, idsUnder, valueOf, type ViewCollections, assigned, arrived } from "./documents.js";
import { inboxOf, touchedOf } from "./conversation-lists.js";
import { messageReads } from "./messages.js";
import { receiptReads } from "./receipts.js";
import { memberOf, stepOf } from "./rows.js";
import { mongoSummaries } from "./summaries.js";

/**
 * The port's reads. MongoDB gives no moment of several collections without transactions, and rows need none: they only
 * grow. A read asks for heads and members first, which are written last (mongodb/writer.ts); what it finds after that is
 * as new or newer, and a newer row is one that the next read would show too. All reject with StoreUnavailable while
 * MongoDB is away.
 */
export const mongoReads = (views: ViewCollections): ViewReads => {
  const summaries = mongoSummaries(views);
  const inboxKeys = inboxOf(views);
  const { messages, messagesAt, messageById } = messageReads(views);
  const { receiptCounts, receiptsOf } = receiptReads(views);
  return {
    inbox: (userId, page) => reachable(async () => summaries(userId, await inboxKeys(userId, page))),
    summaries: (userId, conversationIds) => reachable(() => summaries(userId, conversationIds)),
    touchedSince: reached(touchedOf(views)),
    members: reached(membersOf(views)),
    messages: reached(messages),
    messagesAt: reached(messagesAt),
    messageById: reached(messageById),
    receiptCounts: reached(receiptCounts),
    receiptsOf: reached(receiptsOf),
    membershipSteps: reached(stepsOf(views)),
    user: reached(userOf(views)),
    devices: reached(devicesOf(views)),
    erasedAfter: reached(erasedOf(views)),
    erasedAmong: reached(erasedAmongOf(views)),
  };
};

const reached =
  <Args extends readonly unknown[], A>(read: (...args: Args) => Promise<A>) =>
  (...args: Args): Promise<A> =>
    reachable(() => read(...args));

const membersOf =
  ({ members }: ViewCollections): ViewReads["members"] =>
  async (conversationId, { after, limit, former }) => {
    const within = idsUnder(conversationId);
    const beyond = after === undefined ? within.$gt : afterAll(conversationId, after);
    const found = await members
      .find({
        _id: { $gt: beyond, $lt: within.$lt },
        "joinedPos.x": assigned,
        ...(former === true ? {} : { "present.x": true }),
      })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray();
    return found.map(memberOf);
  };

const stepsOf =
  ({ memberships }: ViewCollections): ViewReads["membershipSteps"] =>
  async (conversationId, userId) => {
    const found = await memberships
      .find({ _id: idsUnder(conversationId, userId), joined: arrived })
      .sort({ _id: 1 })
      .toArray();
    return found.map(stepOf);
  };

const userOf =
  ({ users }: ViewCollections): ViewReads["user"] =>
  async (userId) => {
    const found = await users.findOne({
      _id: idOf(userId),
      registeredAt: arrived,
      "erasedAt.x": { $not: { $type: "number" } },
    });
    if (found === null) return undefined;
    const privacy = {
      lastSeen: valueOf(found.lastSeen) ?? defaultPrivacy.lastSeen,
      readReceipts: valueOf(found.readReceipts) ?? defaultPrivacy.readReceipts,
    };
    // An avatar is media, which profiles cannot name yet.
    return { userId, displayName: sealedOf(valueOf(found.displayName)), avatarMediaId: null, privacy };
  };

const erasedAmongOf =
  ({ users }: ViewCollections): ViewReads["erasedAmong"] =>
  async (userIds) => {
    const among = { _id: { $in: userIds.map((userId) => idOf(userId)) }, "erasedAt.x": { $type: "number" as const } };
    return (await users.find(among, { projection: { _id: 1 } }).toArray()).map(({ _id }) => _id);
  };

const devicesOf =
  ({ devices }: ViewCollections): ViewReads["devices"] =>
  async (userId) => {
    const found = await devices
      .find({ _id: idsUnder(userId), "deviceType.x": assigned })
      .sort({ _id: 1 })
      .toArray();
    return found.map(({ deviceId, deviceType, registeredAt }) => ({
      deviceId,
      deviceType: deviceType.x,
      registeredAt: registeredAt.x,
    }));
  };

/** A user's `_id` is the user's id: the key has one part. */
const erasedOf =
  ({ users }: ViewCollections): ViewReads["erasedAfter"] =>
  async (position, limit) => {
    const found = await users
      .find({ "erasedPosition.x": { $gt: position }, registeredAt: arrived })
      .sort({ "erasedPosition.x": 1 })
      .limit(limit)
      .toArray();
    return found.map(({ _id, erasedPosition }) => ({
      userId: _id,
      position: asPosition(valueOf(erasedPosition) ?? 0),
    }));
  };
