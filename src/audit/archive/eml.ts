import MailComposer from "nodemailer/lib/mail-composer";
import { addressOf } from "./addresses.js";
import { participantsOf, type ConversationDay } from "./parts.js";
import type { ArchiveRecord, Person } from "./record.js";
import { actorText, eventText, nameOf, onOneLine, openedText, peopleText, personText, timeText } from "./text.js";

/** A file of a conversation's day, and its name in the archive. */
export type Eml = { readonly name: string; readonly at: number; readonly bytes: Buffer };

/**
 * One mail for a conversation's day: what Global Relay and others take for a chat. From who spoke first, to all who were
 * there; the text has everything that happened, by time.
 */
export const emlOf = async (day: ConversationDay, domain: string): Promise<Eml> => {
  const { conversation } = day;
  const [first] = day.records;
  const participants = participantsOf(day);
  const speaker = day.records.find(({ kind, author }) => kind === "message" && author !== undefined)?.author;
  const from = speaker ?? participants[0];
  const address = (person: Person) => ({
    name: onOneLine(nameOf(person)),
    address: addressOf(person.userId, domain),
  });
  /** Of one conversation and day there may be several. */
  const place = `${conversation.id}.${first?.position ?? 0}`;
  const at = first?.at ?? 0;
  const mail = new MailComposer({
    from: from === undefined ? `parley@${domain}` : address(from),
    to: participants.map(address),
    subject: onOneLine(subjectOf(day)),
    date: new Date(Math.abs(at) <= 8.64e15 ? at : 0),
    messageId: `<${place}@${domain}>`,
    headers: {
      "X-GlobalRelay-MsgType": "Parley",
      "X-Parley-ConversationId": conversation.id,
      "X-Parley-ConversationType": conversation.kind,
      "X-Parley-Positions": `${first?.position ?? 0}-${day.records.at(-1)?.position ?? 0}`,
      "Auto-Submitted": "auto-generated",
    },
    text: textOf(day),
    // Else a text of ASCII stands as it is, and is broken into lines where it has long ones.
    encoding: "base64",
    newline: "\r\n",
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const message = mail.compile();
  message.normalizeHeaderKey = asWritten;
  return { name: `${day.day}/${place}.eml`, at, bytes: await message.build() };
};

/** Names of headers have no case; those who read them by eye, or too simply, find them as the archives' papers write them. */
const written = ["X-GlobalRelay-MsgType", "X-Parley-ConversationId", "X-Parley-ConversationType"];
const asWritten = (key: string): string => written.find((name) => name.toLowerCase() === key.toLowerCase()) ?? key;

const subjectOf = ({ conversation: { id, name }, day, records }: ConversationDay): string => {
  const messages = records.filter(({ kind }) => kind === "message").length;
  const called = name === undefined ? id : openedText(name);
  return `Parley: ${called}, ${day}, ${messages} messages`;
};

const textOf = ({ conversation, day, present, records, presentAtEnd }: ConversationDay): string => {
  const { id, kind, name } = conversation;
  return [
    `Conversation: ${name === undefined ? id : `${onOneLine(openedText(name))} (${id})`}, ${kind}`,
    `Day: ${day} (UTC)`,
    `Members before: ${onOneLine(peopleText(present)) || "none"}`,
    `Members after: ${onOneLine(peopleText(presentAtEnd)) || "none"}`,
    "",
    ...linesOf(records),
    "",
  ].join("\r\n");
};

/** Who could see a message is said where it is not the same as for the one before. */
const linesOf = (records: readonly ArchiveRecord[]): readonly string[] => {
  let visibleTo: readonly Person[] | undefined;
  return records.flatMap((record) => {
    const lines = [lineOf(record)];
    if (record.visibleTo !== undefined && record.visibleTo !== visibleTo) {
      visibleTo = record.visibleTo;
      lines.push(`    visible to: ${onOneLine(peopleText(visibleTo))}`);
    }
    return lines;
  });
};

/** A text of several lines is indented, so that no message can look like another's line. */
const lineOf = (record: ArchiveRecord): string => {
  const { at, by, author, kind, message, position } = record;
  const said = kind === "message" ? `#${message?.sequence ?? ""} ${eventText(record)}` : `* ${eventText(record)}`;
  const marks = [
    ...(message?.replyTo === undefined ? [] : [`in reply to ${message.replyTo}`]),
    ...(message?.forwarded === true ? ["forwarded"] : []),
    ...(message?.mentions === undefined ? [] : [`naming ${message.mentions.map(personText).join("; ")}`]),
    ...(message?.media?.sha256 === undefined ? [] : [`SHA-256 ${message.media.sha256}`]),
  ];
  const head = `[${timeText(at)} ${position}] ${onOneLine(actorText(by, author))}: `;
  return `${head}${said.split(/\r\n|[\n\r\u2028\u2029\u0085]/).join("\r\n    | ")}${marks.map((mark) => `\r\n    (${onOneLine(mark)})`).join("")}`;
};
