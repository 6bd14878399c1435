import type { ConversationId, Sequence, UserId } from "../../../domain/kernel/ids.js";
import type { ReceiptCounts, ReceiptRow } from "../../../projections/ports/rows.js";
import type { ViewReads } from "../../../projections/ports/view-store.js";
import type { StepKind } from "../../../projections/views/receipt-steps.js";
import {
  afterAll,
  idOf,
  idsUnder,
  type MembershipDocument,
  type MessageDocument,
  type ViewCollections,
  arrived,
} from "./documents.js";

type ReceiptReads = Pick<ViewReads, "receiptCounts" | "receiptsOf">;

/** Which of a message's members have received and read it, and when. */
export const receiptReads = (views: ViewCollections): ReceiptReads => ({
  receiptCounts: async (conversationId, sequences) => {
    const sent = await sentAt(views, conversationId, sequences);
    return sent.length === 0 ? [] : countsOf(views, conversationId, sent);
  },
  receiptsOf: async (conversationId, sequence, { after, limit }) => {
    const [sent] = await sentAt(views, conversationId, [sequence]);
    if (sent === undefined) return [];
    const users = await membersWhenSent(views, conversationId, sent, { after, limit });
    return Promise.all(users.map((userId) => receiptOf(views, conversationId, userId, sequence)));
  },
});

type Sent = Pick<MessageDocument, "sequence" | "messageId" | "senderId" | "pos">;

/** In the order asked for. */
const sentAt = async (
  { messages }: ViewCollections,
  conversationId: ConversationId,
  sequences: readonly Sequence[],
): Promise<readonly Sent[]> => {
  const found = await messages
    .find({ _id: { $in: sequences.map((sequence) => idOf(conversationId, sequence)) }, contentType: arrived })
    .project<Sent>({ _id: 0, sequence: 1, messageId: 1, senderId: 1, pos: 1 })
    .toArray();
  const bySequence = new Map(found.map((sent) => [sent.sequence, sent]));
  return sequences.flatMap((sequence) => bySequence.get(sequence) ?? []);
};

type Step = Pick<MembershipDocument, "userId" | "pos" | "joined">;

/** Counts in memory: a roll-up asks for many messages of one conversation, and its members are the same for all. */
const countsOf = async (
  views: ViewCollections,
  conversationId: ConversationId,
  sent: readonly Sent[],
): Promise<readonly ReceiptCounts[]> => {
  type Reached = { readonly userId: UserId; readonly deliveredStep?: Sequence; readonly readStep?: Sequence };
  const [steps, members] = await Promise.all([
    views.memberships
      .find({ _id: idsUnder(conversationId), joined: arrived })
      .project<Step>({ _id: 0, userId: 1, pos: 1, joined: 1 })
      .toArray(),
    views.members
      .find({ _id: idsUnder(conversationId) })
      .project<Reached>({ _id: 0, userId: 1, deliveredStep: 1, readStep: 1 })
      .toArray(),
  ]);
  const reached = new Map(members.map((member) => [member.userId, member]));
  const newestFirst = steps.toSorted((a, b) => b.pos - a.pos);
  return sent.map(({ pos, ...message }) => {
    const counts = { of: 0, delivered: 0, read: 0 };
    const decided = new Set<UserId>();
    // The newest step of a user before the message says whether they were a member.
    for (const step of newestFirst) {
      if (step.pos > pos || decided.has(step.userId)) continue;
      decided.add(step.userId);
      if (!step.joined || step.userId === message.senderId) continue;
      const { deliveredStep = 0, readStep = 0 } = reached.get(step.userId) ?? {};
      counts.of += 1;
      if (deliveredStep >= message.sequence) counts.delivered += 1;
      if (readStep >= message.sequence) counts.read += 1;
    }
    return { ...message, ...counts };
  });
};

type MembersPage = { readonly after: UserId | undefined; readonly limit: number };

/** Walks along the steps by user, and stops as soon as the page is full. */
const membersWhenSent = async (
  { memberships }: ViewCollections,
  conversationId: ConversationId,
  { pos, senderId }: Sent,
  { after, limit }: MembersPage,
): Promise<readonly UserId[]> => {
  const within = idsUnder(conversationId);
  const cursor = memberships
    .find({
      _id: { $gt: after === undefined ? within.$gt : afterAll(conversationId, after), $lt: within.$lt },
      pos: { $lt: pos },
      joined: arrived,
    })
    .project<Step>({ _id: 0, userId: 1, pos: 1, joined: 1 })
    .sort({ _id: 1 })
    .batchSize(Math.max(limit * 2, 2));
  const page: UserId[] = [];
  let last: Step | undefined;
  const settle = (): void => {
    // The last step of a user before the message says whether they were a member.
    if (last?.joined === true && last.userId !== senderId) page.push(last.userId);
  };
  try {
    for await (const step of cursor) {
      if (last !== undefined && last.userId !== step.userId) settle();
      if (page.length >= limit) return page;
      last = step;
    }
    settle();
    return page.slice(0, limit);
  } finally {
    await cursor.close();
  }
};

/**
 * Steps looked at for one time. A user's devices need not be equally far, so the first step beyond a message need not be
 * the earliest; more than this many steps of a slower device before the faster one's do not occur.
 */
const stepsLookedAtMax = 64;

const receiptOf = async (
  { receiptSteps }: ViewCollections,
  conversationId: ConversationId,
  userId: UserId,
  sequence: Sequence,
): Promise<ReceiptRow> => {
  const first = async (kind: StepKind): Promise<number | null> => {
    const steps = await receiptSteps
      .find({ _id: { ...idsUnder(conversationId, userId, kind), $gte: idOf(conversationId, userId, kind, sequence) } })
      .sort({ _id: 1 })
      .limit(stepsLookedAtMax)
      .toArray();
    return steps.length === 0 ? null : -Math.max(...steps.map(({ minusAt }) => minusAt));
  };
  const [deliveredAt, readAt] = await Promise.all([first("delivered"), first("read")]);
  return { userId, deliveredAt: earlier(deliveredAt, readAt), readAt };
};

/** Reading is receiving. */
const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);
