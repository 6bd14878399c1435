import { expect } from "vitest";
import {
  messagesOf,
  shownOf,
  trueMessagesOf,
  unreadIn,
  withTexts,
  type HistorySource,
  type TrueConversation,
  type TrueMessage,
} from "../kit/history.js";
import type { Summary } from "../../client/index.js";
import type { Acknowledged, Answered, Device, Work } from "./load.js";
import type { Served, View } from "./served.js";
import type { Tap } from "./tap.js";

export type Log = ReadonlyMap<string, TrueConversation>;
/** By conversation, by messageId. */
export type Truth = ReadonlyMap<string, ReadonlyMap<string, TrueMessage>>;

export const inLog = <A>(found: ReadonlyMap<string, A>, id: string): A => {
  const known = found.get(id);
  if (known === undefined) throw new Error(`${id} is not in the log`);
  return known;
};

/** Every message once, without a gap, and everything that was acknowledged where its acknowledgement says. */
export const checkMessages = (log: Log, { sent, acknowledged }: Pick<Work, "sent" | "acknowledged">): void => {
  let messages = 0;
  for (const conversation of log.values()) {
    const all = messagesOf(conversation);
    expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, i) => i + 1));
    expect(new Set(all.map(({ messageId }) => messageId)).size).toBe(all.length);
    messages += all.length;
  }
  expect(acknowledged).toHaveLength(sent.length);
  expect(messages).toBe(sent.length);
  for (const said of acknowledged) expect(eventAt(log, said)).toMatchObject(eventOf(said));
};

const eventAt = (log: Log, { ack }: Acknowledged) => log.get(ack.conversationId)?.events[ack.pos];
const eventOf = ({ ack, userId, clientMessageId }: Acknowledged) => ({
  type: "MessageSent",
  messageId: ack.messageId,
  sequence: ack.sequence,
  at: ack.timestamp,
  clientMessageId,
  by: { userId },
});

/** What was answered happened once; what was refused was refused because of a deletion. */
export const checkChanges = (log: Log, truth: Truth, answered: readonly Answered[]): void => {
  const reactions = new Map<string, Answered>();
  for (const change of answered) {
    const { wish, conversationId, userId, messageId, answer, attempts } = change;
    const conversation = inLog(log, conversationId);
    const { shown, said, reacted } = inLog(inLog(truth, conversationId), messageId);
    const at = answer?.pos === undefined ? undefined : conversation.events[answer.pos];
    if (answer === null) expect([change, shown.deletedAt]).toEqual([change, expect.any(Number)]);
    switch (wish.kind) {
      case "edit": {
        const times = said.filter((text) => text === wish.text).length;
        // Refused at a repetition: the first attempt may have come through before the deletion.
        expect([change, times]).toEqual([change, answer === null && attempts === 1 ? 0 : answer === null ? times : 1]);
        expect(times).toBeLessThanOrEqual(1);
        if (at !== undefined) expect(at).toMatchObject({ type: "MessageEdited", messageId, by: { userId } });
        break;
      }
      case "delete":
        expect([change, shown.deletedAt]).toEqual([change, expect.any(Number)]);
        if (at !== undefined) expect(at).toMatchObject({ type: "MessageDeleted", messageId, by: { userId } });
        break;
      case "add":
      case "remove": {
        const type = wish.kind === "add" ? "ReactionAdded" : "ReactionRemoved";
        if (at !== undefined) {
          expect(at).toMatchObject({ type, messageId, by: { userId } });
          expect(reacted.get(answer?.pos ?? -1)).toBe(wish.emoji);
        }
        reactions.set(`${messageId} ${wish.emoji} ${userId}`, change);
        break;
      }
      case "read":
        expect([change, conversation.readUpTo.get(userId) ?? 0]).toEqual([change, expect.any(Number)]);
        expect(conversation.readUpTo.get(userId) ?? 0).toBeGreaterThanOrEqual(wish.upToSequence);
    }
  }
  // One user's wishes follow each other, so the last one about a reaction decides.
  for (const change of reactions.values()) {
    const { wish, conversationId, userId, messageId } = change;
    const { shown } = inLog(inLog(truth, conversationId), messageId);
    if (shown.deletedAt !== undefined || (wish.kind !== "add" && wish.kind !== "remove")) continue;
    expect([change, shown.reactions.includes(`${wish.emoji} ${userId}`)]).toEqual([change, wish.kind === "add"]);
  }
};

export const viewsOf = (devices: readonly Device[]): readonly View[] =>
  devices.flatMap(({ userId, client }) =>
    [...client.conversations.values()].map(({ conversationId, messages }) => ({
      whose: `${userId}'s client`,
      conversationId,
      messages: messages.map(shownOf),
    })),
  );

export const checkViews = (truth: Truth, views: readonly View[]): void => {
  for (const { whose, conversationId, messages } of views) {
    const expected = [...inLog(truth, conversationId).values()].map(({ shown }) => shown);
    // Message by message: a difference is one line, not two conversations.
    expect([whose, messages.length]).toEqual([whose, expected.length]);
    for (const [i, shown] of messages.entries()) expect([whose, shown]).toEqual([whose, expected[i]]);
  }
};

/** With every text opened. */
export const truthOf = (source: HistorySource, log: Log): Promise<Truth> =>
  withTexts(source, async (open) => {
    const truth = new Map<string, Awaited<ReturnType<typeof trueMessagesOf>>>();
    for (const conversation of log.values())
      truth.set(conversation.conversationId, await trueMessagesOf(conversation, open));
    return truth;
  });

export const checkInboxes = (log: Log, truth: Truth, served: readonly Served[]): void => {
  for (const { userId, summaries } of served)
    for (const { conversation, state } of summaries) {
      const { conversationId } = conversation;
      const known = inLog(log, conversationId);
      const last = [...inLog(truth, conversationId).values()].at(-1)?.shown;
      const { readUpTo, unread, lastMessage } = state;
      const { sequence, preview, deleted } = lastMessage ?? {};
      expect([userId, conversationId, { readUpTo, unread, sequence, preview, deleted }]).toEqual([
        userId,
        conversationId,
        {
          readUpTo: known.readUpTo.get(userId) ?? 0,
          unread: unreadIn(known, userId),
          sequence: last?.sequence,
          preview: last === undefined ? undefined : (last.text ?? ""),
          deleted: last?.deletedAt === undefined ? undefined : true,
        },
      ]);
    }
};

/** What a sender is told of the others' cursors; every user is a member all the time. */
export const checkTicks = (log: Log, userId: string, summaries: readonly Summary[]): void => {
  for (const { conversation, state } of summaries) {
    const { conversationId, memberCount } = conversation;
    const known = inLog(log, conversationId);
    const others = membersOf(known).filter((member) => member !== userId);
    expect(others).toHaveLength(memberCount - 1);
    const smallest = (cursors: ReadonlyMap<string, number>) => Math.min(...others.map((one) => cursors.get(one) ?? 0));
    const { deliveredToAll, readByAll } = state;
    expect([userId, conversationId, { deliveredToAll, readByAll }]).toEqual([
      userId,
      conversationId,
      { deliveredToAll: smallest(known.deliveredUpTo), readByAll: smallest(known.readUpTo) },
    ]);
  }
};

export type Receipts = { readonly of: number; readonly delivered: number; readonly read: number };

/** The receipts of one message, asked for by its sender. */
export const checkReceipts = (log: Log, { ack, userId }: Acknowledged, receipts: Receipts): void => {
  const known = inLog(log, ack.conversationId);
  const others = membersOf(known).filter((member) => member !== userId);
  const count = (cursors: ReadonlyMap<string, number>) =>
    others.filter((one) => (cursors.get(one) ?? 0) >= ack.sequence).length;
  const { of, delivered, read } = receipts;
  expect([ack.messageId, { of, delivered, read }]).toEqual([
    ack.messageId,
    { of: others.length, delivered: count(known.deliveredUpTo), read: count(known.readUpTo) },
  ]);
};

const membersOf = ({ events }: TrueConversation): readonly string[] =>
  events.flatMap((event) => (event.type === "MemberJoined" ? event.members.map(({ userId }) => userId) : []));

/** No answer holds a text of a deleted message, nor did any connection that was made after its deletion was answered. */
export const checkDeletions = (
  truth: Truth,
  answered: readonly Answered[],
  served: readonly Served[],
  tap: Tap,
): void => {
  for (const { wish, conversationId, messageId, answeredAt } of answered) {
    if (wish.kind !== "delete") continue;
    for (const text of inLog(inLog(truth, conversationId), messageId).said) {
      expect([text, served.filter(({ texts }) => texts.has(text)).map(({ userId }) => userId)]).toEqual([text, []]);
      expect([text, tap.receivedAfter(answeredAt, text)]).toEqual([text, 0]);
    }
  }
};

/** What clients count themselves; keys as `unreadInClients` makes them. */
export const checkUnread = (log: Log, unreadOfClients: ReadonlyMap<string, number>): void => {
  for (const [key, unread] of unreadOfClients) {
    const [userId = "", conversationId = ""] = key.split(" ");
    expect([key, unread]).toEqual([key, unreadIn(inLog(log, conversationId), userId)]);
  }
};
