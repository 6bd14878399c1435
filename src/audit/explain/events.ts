import { decodeEvent, type DomainEvent } from "../../domain/catalogue.js";
import { userIdOf, type By } from "../../domain/kernel/by.js";
import type { Sequence } from "../../domain/kernel/ids.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import type { Explained } from "./rules.js";
import type { ExplainedValue, ExplainSubject } from "./values.js";

/** An event that makes the value, and what it does to it. */
export type ExplainingEvent = Pick<RecordedEvent, "position" | "stream" | "revision" | "type"> & {
  readonly at: number;
  readonly by: By;
  readonly contributes: string;
  /** Of unread: what it adds. Their sum is the number. */
  readonly adds?: number;
};

type Says = { readonly contributes: string; readonly adds?: number };
/** What is remembered between events: how far the cursors stand, and which messages after the cursor are the user's own. */
type Known = { delivered: Sequence; read: Sequence; readonly own: Set<Sequence> };

/**
 * Those of some pages that make the value: pages of the conversation's stream, its receipts' and the user's, in the log's order.
 * `value`: the one made of the log.
 */
export async function* explainingEvents(
  pages: AsyncIterable<readonly RecordedEvent[]>,
  what: Explained,
  subject: ExplainSubject,
  value: ExplainedValue,
): AsyncGenerator<ExplainingEvent> {
  const known: Known = { delivered: 0, read: 0, own: new Set() };
  for await (const page of pages)
    for (const recorded of page) {
      const event = decodeEvent(recorded);
      const says =
        ofMembership(event, subject, known) ??
        ofCursor(event, subject, known, value.sequence) ??
        ofWhat[what](event, subject, value, known);
      if (says === undefined) continue;
      const { position, stream, revision, type } = recorded;
      yield { position, stream, revision, type, at: event.at, by: event.by, ...says };
    }
}

const ofMembership = (event: DomainEvent, { user }: ExplainSubject, known: Known): Says | undefined => {
  if (event.type === "MemberLeft" && event.userId === user)
    return { contributes: `leaves: sees nothing from #${event.leftAt} on` };
  if (event.type !== "MemberJoined") return undefined;
  const member = event.members.find(({ userId }) => userId === user);
  if (member === undefined) return undefined;
  known.delivered = Math.max(known.delivered, event.sequence);
  known.read = Math.max(known.read, event.sequence);
  return {
    contributes: `joins as ${member.role}: sees from #${event.visibleFrom} on, cursors start at #${event.sequence}`,
  };
};

/** Only what moves a cursor; of one message only what comes to it first. */
const ofCursor = (
  event: DomainEvent,
  { user }: ExplainSubject,
  known: Known,
  sequence: Sequence | undefined,
): Says | undefined => {
  if (event.type !== "ReceiptsAdvanced") return undefined;
  const said: string[] = [];
  for (const { userId, deviceId, deliveredUpTo = 0, readUpTo = 0, private: hidden, at } of event.cursors) {
    if (userId !== user) continue;
    const reaches = (before: Sequence, to: Sequence): boolean =>
      to > before && (sequence === undefined || (before < sequence && to >= sequence));
    const delivered = Math.max(deliveredUpTo, readUpTo);
    const time = new Date(at).toISOString();
    if (reaches(known.read, readUpTo))
      said.push(`${deviceId} has read up to #${readUpTo}${hidden === true ? " in private" : ""} at ${time}`);
    else if (reaches(known.delivered, delivered)) said.push(`${deviceId} has received up to #${delivered} at ${time}`);
    known.read = Math.max(known.read, readUpTo);
    known.delivered = Math.max(known.delivered, delivered);
  }
  return said.length === 0 ? undefined : { contributes: said.join("; ") };
};

type OfWhat = (event: DomainEvent, subject: ExplainSubject, value: ExplainedValue, known: Known) => Says | undefined;

const ofUnread: OfWhat = (event, { user }, { after = 0, lastVisible = 0 }, { own }) => {
  if (event.type !== "MessageSent" && event.type !== "MessageDeleted") return undefined;
  const { sequence } = event;
  if (sequence <= after || sequence > lastVisible) return undefined;
  if (event.type === "MessageDeleted")
    return own.has(sequence)
      ? { contributes: `#${sequence}, an own one, is deleted`, adds: 0 }
      : { contributes: `#${sequence} is deleted: not unread any more`, adds: -1 };
  if (userIdOf(event.by) !== user) return { contributes: `#${sequence} is after the cursor: unread`, adds: 1 };
  own.add(sequence);
  return { contributes: `#${sequence} is their own: not unread`, adds: 0 };
};

const ofInbox: OfWhat = (event, { conversation }, value) => {
  const time = new Date(event.at).toISOString();
  if (event.type === "ConversationStarted") return { contributes: `starts: sorted by ${time} until something is said` };
  if (event.type === "PreferencesChanged" && event.conversationId === conversation)
    return { contributes: `prefers ${JSON.stringify(event.changes)}` };
  if (event.type !== "MessageSent") return undefined;
  const sorts = event.at === value.sortAt ? [`sorted by its time, ${time}`] : [];
  const newest = event.sequence === value.newestVisible ? ["the newest that they may see"] : [];
  const said = [...sorts, ...newest];
  return said.length === 0 ? undefined : { contributes: `#${event.sequence}: ${said.join(", ")}` };
};

const ofMessage: OfWhat = (event, { message }) => {
  if (!("messageId" in event) || event.messageId !== message) return undefined;
  if (event.type === "MessageSent")
    return { contributes: `#${event.sequence} is sent: it goes to those who are members now` };
  if (event.type === "MessageEdited") return { contributes: `#${event.sequence} is edited: it stays the same message` };
  if (event.type === "MessageDeleted")
    return { contributes: `#${event.sequence} is deleted: who had not received it gets it without its text` };
  return undefined;
};

const ofDelivery: OfWhat = (event, subject, value, known) => {
  if (event.type === "DeviceRegistered")
    return { contributes: `device ${event.deviceId} (${event.deviceType}) is there` };
  if (event.type === "DeviceRemoved") return { contributes: `device ${event.deviceId} is removed` };
  return ofMessage(event, subject, value, known);
};

const ofWhat: Readonly<Record<Explained, OfWhat>> = {
  unread: ofUnread,
  inbox: ofInbox,
  receipt: ofMessage,
  delivery: ofDelivery,
};
