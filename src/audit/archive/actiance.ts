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
  element.ele("RoomID").txt(`${kind} - ${called} - ${id}`);
  element.ele("StartTimeUTC").txt(String(start));
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
  element.ele("EndTimeUTC").txt(String(end));
  return `${element.toString({ prettyPrint: true })}\n`;
};

const participant = (element: Element, person: Person, at: number, domain: string): void => {
  const address = addressOf(person.userId, domain);
  element.ele("LoginName").txt(address);
  element.ele("DisplayName").txt(nameOf(person));
  element.ele("UserType").txt("user");
  element.ele("DateTimeUTC").txt(String(at));
  element.ele("CorporateEmailID").txt(address);
};

/** An edit and a deletion are messages of their own that name the one that they change: nothing that was said is replaced. */
const message = (element: Element, record: ArchiveRecord, domain: string): void => {
  const { at, by, author, kind, message: about, eventId, visibleTo } = record;
  element.ele("MessageId").txt(kind === "message" ? (about?.messageId ?? eventId) : eventId);
  element.ele("LoginName").txt(author === undefined ? actorText(by, author) : addressOf(author.userId, domain));
  element.ele("UserType").txt(by.kind);
  element.ele("DateTimeUTC").txt(String(secondsOf(at)));
  const isOfMessage = about !== undefined && kind !== "message";
  if (isOfMessage) element.ele("OriginalMessageId").txt(about.messageId);
  if (kind === "edit" || kind === "deletion")
    element.ele("UpdatedType").txt(kind === "edit" ? "EditedNewMsg" : "Deleted");
  const said = (kind === "message" || kind === "edit") && about?.content !== undefined;
  element.ele("Content").txt(said ? contentText(about.content) : eventText(record));
  if (about?.media !== undefined) {
    const { mediaId, filename, sha256 } = about.media;
    const file = element.ele("Attachment");
    file.ele("FileName").txt(mediaId);
    if (filename !== undefined) file.ele("UserFileName").txt(filename);
    if (sha256 !== undefined) file.ele("SHA256").txt(sha256);
  }
  if (visibleTo !== undefined) element.ele("VisibleTo").txt(peopleText(visibleTo));
};

const secondsOf = (ms: number): number => Math.floor(ms / 1000);
