import type { By } from "../../domain/kernel/by.js";
import type { ArchiveRecord, Opened, Person } from "./record.js";
import { objectIn } from "./message.js";

/** How people read what is in a record; all formats say it alike. */

export const openedText = (opened: Opened): string => {
  if ("text" in opened) return opened.text;
  return "erased" in opened ? "(erased)" : "(damaged: does not open)";
};

/** Somebody whose name nobody would see is called by their id. */
export const nameOf = ({ userId, name }: Person): string => {
  const text = name === undefined ? "" : openedText(name);
  return text.trim() === "" ? userId : text;
};

/** `Alice Example (alice)` */
export const personText = (person: Person): string =>
  person.name === undefined ? person.userId : `${nameOf(person)} (${person.userId})`;

/** Lists of who could see a message are the same for many of them, and long: each is put into words once. */
const said = new WeakMap<readonly Person[], string>();
export const peopleText = (people: readonly Person[]): string => {
  const known = said.get(people) ?? people.map(personText).join("; ");
  said.set(people, known);
  return known;
};

/** Who did it, where it was no user of the chat. */
export const actorText = (by: By, author: Person | undefined): string => {
  if (author !== undefined) return personText(author);
  switch (by.kind) {
    case "app":
      return `application ${by.keyId}`;
    case "operator":
      return by.userId === undefined ? "an operator" : `operator ${by.userId}`;
    case "system":
    case "user":
    case "bot":
      return "Parley";
  }
};

/** A message's content in words: its text or caption, and what else it is. */
export const contentText = (content: Opened): string => {
  if (!("text" in content)) return openedText(content);
  const fields = objectIn(content.text);
  const of = (...names: readonly string[]): readonly string[] =>
    names.flatMap((name) => {
      const value = fields[name];
      return typeof value === "string" || typeof value === "number" ? [String(value)] : [];
    });
  switch (fields.type) {
    case "text":
      return of("text").join("");
    case "location":
      return `(location ${[...of("label"), of("latitude", "longitude").join(", ")].join(": ")})`;
    case "encrypted":
      return "(encrypted between the devices: the server never could read it)";
    case "image":
    case "video":
    case "audio":
    case "document":
      return [...of("caption"), `(${of("type", "filename", "mediaId").join(" ")})`].join(" ");
    default:
      return content.text;
  }
};

/** What happened, in a sentence without its actor and time. */
export const eventText = (record: ArchiveRecord): string => {
  const { kind, message, subject, settings } = record;
  const whom = subject === undefined ? "" : personText(subject);
  const self = subject !== undefined && subject.userId === record.author?.userId;
  switch (kind) {
    case "started":
      return `started the conversation ${settingsText(textsIn(settings))}`.trim();
    case "joined":
      return `${self ? "joined" : `added ${whom}`} as ${subject?.role ?? "member"}`;
    case "left":
      return self ? "left" : `removed ${whom}`;
    case "role":
      return `made ${whom} ${subject?.role ?? ""}`;
    case "settings":
      return `changed ${settingsText(settings)}`;
    case "message":
      return message?.content === undefined ? "" : contentText(message.content);
    case "edit":
      return `edited message ${message?.sequence ?? ""} to: ${message?.content === undefined ? "" : contentText(message.content)}`;
    case "deletion":
      return `deleted message ${message?.sequence ?? ""}`;
    case "reaction":
      return `reacted to message ${message?.sequence ?? ""} with ${message?.emoji === undefined ? "" : openedText(message.emoji)}`;
    case "reaction_removed":
      return `took back from message ${message?.sequence ?? ""} the reaction ${message?.emoji === undefined ? "" : openedText(message.emoji)}`;
    case "unreadable":
      return `(an event that cannot be read: ${record.unreadable ?? ""})`;
  }
};

/** What it is called; all else of its beginning stands in the record's `settings`. */
const textsIn = (settings: ArchiveRecord["settings"]): ArchiveRecord["settings"] =>
  Object.fromEntries(Object.entries(settings ?? {}).filter(([, value]) => isOpened(value)));

const settingsText = (settings: ArchiveRecord["settings"]): string =>
  Object.entries(settings ?? {})
    .map(([field, value]) => `${field}=${isOpened(value) ? openedText(value) : JSON.stringify(value)}`)
    .join(", ");

const isOpened = (value: unknown): value is Opened =>
  typeof value === "object" && value !== null && ("text" in value || "erased" in value || "damaged" in value);

/** The ends of lines and all that steers a terminal or a header: for where a text has one line. */
export const onOneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");

/** A damaged event may name a time that no calendar has. */
export const timeText = (at: number): string => (Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at));
