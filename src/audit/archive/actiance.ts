import { create } from "xmlbuilder2";
import { addressOf } from "./addresses.js";
import type { ConversationDay } from "./parts.js";
import type { ArchiveRecord, Person } from "./record.js";
import { actorText, contentText, eventText, nameOf, openedText, peopleText } from "./text.js";

/**
 * The XML that Actiance, now Smarsh, takes for chats (Vantage): a FileDump of Conversations, each a day of a room, with
 * everybody in it entering and leaving, and what was said between. Its times are whole seconds.
 */
export const actianceHead =
  '<?xml version="1.0" encoding="UTF-8"?>\n<FileDump xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n';
export const actianceTail = "</FileDump>\n";

type Element = ReturnType<ReturnType<typeof create>["ele"]>;

/** @throws never: what XML has no letter for stands as U+FFFD */
export const actianceOf = (day: ConversationDay, domain: string): string => {
  const { conversation, present, presentAtEnd, records } = day;
  const { id, kind, name } = conversation;
  const called = name === undefined ? id : openedText(name);
  const start = secondsOf(records[0]?.at ?? 0);
  const end = secondsOf(records.at(-1)?.at ?? 0);
  const element = create({ invalidCharReplacement: "\uFFFD" }).ele("Conversation", { Perspective: called });
  put(element, "RoomID", `${kind} - ${called} - ${id}`);
  put(element, "StartTimeUTC", String(start));
  const entered = (person: Person, at: number): void => {
    participant(element.ele("ParticipantEntered"), person, at, domain);
  };
  const left = (person: Person, at: number): void => {
    participant(element.ele("ParticipantLeft"), person, at, domain);
  };
  for (const person of present) entered(person, start);
  for (const { kind: happened, subject, at } of records)
    if (happened === "joined" && subject !== undefined) entered(subject, secondsOf(at));
  for (const record of records) message(element.ele("Message"), record, domain);
  for (const { kind: happened, subject, at } of records)
    if (happened === "left" && subject !== undefined) left(subject, secondsOf(at));
  for (const person of presentAtEnd) left(person, end);
  put(element, "EndTimeUTC", String(end));
  return `${element.toString({ prettyPrint: true })}\n`;
};

const participant = (element: Element, person: Person, at: number, domain: string): void => {
  const address = addressOf(person.userId, domain);
  put(element, "LoginName", address);
  put(element, "DisplayName", nameOf(person));
  put(element, "UserType", "user");
  put(element, "DateTimeUTC", String(at));
  put(element, "CorporateEmailID", address);
};

/** An edit and a deletion are messages of their own that name the one that they change: nothing that was said is replaced. */
const message = (element: Element, record: ArchiveRecord, domain: string): void => {
  const { at, by, author, kind, message: about, visibleTo } = record;
  put(element, "MessageId", idOf(record));
  put(element, "LoginName", author === undefined ? actorText(by, author) : addressOf(author.userId, domain));
  put(element, "UserType", by.kind);
  put(element, "DateTimeUTC", String(secondsOf(at)));
  const isOfMessage = about !== undefined && kind !== "message";
  if (isOfMessage) put(element, "OriginalMessageId", about.messageId);
  if (kind === "edit" || kind === "deletion") put(element, "UpdatedType", kind === "edit" ? "EditedNewMsg" : "Deleted");
  const said = (kind === "message" || kind === "edit") && about?.content !== undefined;
  put(element, "Content", said ? contentText(about.content) : eventText(record));
  if (about?.media !== undefined) {
    const { mediaId, filename, sha256 } = about.media;
    const file = element.ele("Attachment");
    put(file, "FileName", mediaId);
    if (filename !== undefined) put(file, "UserFileName", filename);
    if (sha256 !== undefined) put(file, "SHA256", sha256);
  }
  if (visibleTo !== undefined) put(element, "VisibleTo", peopleText(visibleTo));
};

/** Of one event that several joined by, each is a record: an archive keeps one message of an id. */
const idOf = ({ kind, message: about, eventId, subject }: ArchiveRecord): string => {
  if (kind === "message" && about !== undefined) return about.messageId;
  return subject === undefined ? eventId : `${eventId}/${subject.userId}`;
};

/** Every reader of XML takes all ends of lines for one kind: they are written as that. */
const put = (parent: Element, name: string, text: string): void => {
  parent.ele(name).txt(text.replace(/\r\n?/g, "\n"));
};

const secondsOf = (ms: number): number => Math.floor(ms / 1000);
