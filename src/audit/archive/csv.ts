import { stringify } from "csv-stringify/sync";
import type { ArchiveRecord } from "./record.js";
import { troublesOf } from "./record.js";
import { contentText, eventText, nameOf, openedText, peopleText, personText, timeText } from "./text.js";

/** One row a record. A column is only ever added, at the end: loaders know them by place. */
const columns: readonly (readonly [string, (record: ArchiveRecord) => string | number | undefined])[] = [
  ["position", ({ position }) => position],
  ["time", ({ at }) => timeText(at)],
  ["kind", ({ kind }) => kind],
  ["conversation_id", ({ conversation }) => conversation.id],
  ["conversation_kind", ({ conversation }) => conversation.kind],
  ["conversation_name", ({ conversation: { name } }) => name && openedText(name)],
  ["author_id", ({ author }) => author?.userId],
  ["author_name", ({ author }) => author && nameOf(author)],
  ["author_kind", ({ by }) => by.kind],
  ["device_id", ({ by }) => (by.kind === "user" ? by.deviceId : undefined)],
  ["message_id", ({ message }) => message?.messageId],
  ["sequence", ({ message }) => message?.sequence],
  ["content_type", ({ message }) => message?.contentType],
  [
    "text",
    (record) => (record.message?.content === undefined ? eventText(record) : contentText(record.message.content)),
  ],
  ["content_json", ({ message }) => (message?.content && "text" in message.content ? message.content.text : undefined)],
  ["media_id", ({ message }) => message?.media?.mediaId],
  ["media_filename", ({ message }) => message?.media?.filename],
  ["media_sha256", ({ message }) => message?.media?.sha256],
  ["emoji", ({ message }) => message?.emoji && openedText(message.emoji)],
  ["subject_id", ({ subject }) => subject?.userId],
  ["subject_name", ({ subject }) => subject && nameOf(subject)],
  ["subject_role", ({ subject }) => subject?.role],
  ["subject_sees_from_sequence", ({ subject }) => subject?.visibleFrom],
  ["visible_to_count", ({ visibleTo }) => visibleTo?.length],
  ["visible_to", ({ visibleTo }) => visibleTo && peopleText(visibleTo)],
  ["reply_to", ({ message }) => message?.replyTo],
  ["mentions", ({ message }) => message?.mentions?.map(personText).join("; ")],
  ["forwarded", ({ message }) => (message?.forwarded === true ? "yes" : undefined)],
  ["origin", ({ message }) => (message?.origin === undefined ? undefined : JSON.stringify(message.origin))],
  ["expires", ({ message }) => (message?.expiresAt === undefined ? undefined : timeText(message.expiresAt))],
  ["settings_json", ({ settings }) => (settings === undefined ? undefined : JSON.stringify(settings))],
  ["state", (record) => stateText(record)],
  ["event_id", ({ eventId }) => eventId],
  ["revision", ({ revision }) => revision],
];

/**
 * What a spreadsheet would compute begins with an apostrophe: a message must not run anything in an auditor's program.
 * `content_json`, which begins with a brace, has every text as it was. All cells are in quotes, since one may hold an end
 * of line of another kind than the rows'.
 */
const options = { record_delimiter: "windows", escape_formulas: true, quoted: true } as const;

export const csvHead = (): string => stringify([columns.map(([name]) => name)], options);

export const csvRow = (record: ArchiveRecord): string => stringify([columns.map(([, cell]) => cell(record))], options);

const stateText = (record: ArchiveRecord): string => {
  const { erased, damaged } = troublesOf(record);
  if (damaged.length > 0) return `damaged: ${damaged.join("; ")}`;
  return erased ? "erased" : "whole";
};
