/**
 * Events as CloudEvents 1.0 in JSON, one on a line, as a structured-mode message has them.
 *
 * | attribute | |
 * |---|---|
 * | `id` | the event's id |
 * | `source` | `/parley/CELL` |
 * | `type` | `parley.TYPE` |
 * | `subject`, `partitionkey` | the stream |
 * | `time` | `at` of the metadata |
 * | `sequence` | the position, in sixteen digits, so that they sort as text |
 * | `parleyrevision` | the revision in the stream; a text, since an Integer of CloudEvents has 32 bits |
 * | `parleymetadata` | the metadata, its stored text |
 * | `data` | the data, its stored text, last on the line; what is no JSON is a text with `datacontenttype` `text/plain` |
 */
import { quoted } from "../../domain/kernel/json.js";
import { asPosition, asRevision, type RecordedEvent } from "../../domain/kernel/stream.js";
import { isOneLineOfJson } from "../canonical.js";

const sequenceDigits = 16;
const typePrefix = "parley.";

export const cloudEventOf = (event: RecordedEvent, cell: string): string => {
  const isJson = isOneLineOfJson(event.data);
  const stream = quoted(event.stream);
  const time = timeOf(event.meta);
  return (
    `{"specversion":"1.0","id":${quoted(event.id)},"source":${quoted(`/parley/${encodeURIComponent(cell)}`)},` +
    `"type":${quoted(typePrefix + event.type)},"subject":${stream},"partitionkey":${stream},` +
    (time === undefined ? "" : `"time":"${time}",`) +
    `"sequence":"${String(event.position).padStart(sequenceDigits, "0")}","parleyrevision":"${event.revision}",` +
    `"parleymetadata":${quoted(event.meta)},"datacontenttype":"${isJson ? "application/json" : "text/plain"}",` +
    `"data":${isJson ? event.data : quoted(event.data)}}`
  );
};

type Parsed = Readonly<Record<string, unknown>>;
const dataKey = ',"data":';

/** The event in a line that `cloudEventOf` wrote; undefined for any other line. */
export const eventInCloudEvent = (line: string, cell: string): RecordedEvent | undefined => {
  const parsed = parse(line);
  const type = textIn(parsed, "type");
  if (parsed === undefined || type === undefined) return undefined;
  // All before it are texts that are quoted, so the first is the one that counts.
  const start = line.indexOf(dataKey) + dataKey.length;
  const isJson = parsed.datacontenttype === "application/json";
  const event = {
    position: asPosition(Number(textIn(parsed, "sequence"))),
    stream: textIn(parsed, "subject") ?? "",
    revision: asRevision(Number(textIn(parsed, "parleyrevision"))),
    type: type.slice(typePrefix.length),
    id: textIn(parsed, "id") ?? "",
    data: isJson ? line.slice(start, -1) : (textIn(parsed, "data") ?? ""),
    meta: textIn(parsed, "parleymetadata") ?? "",
  };
  return cloudEventOf(event, cell) === line ? event : undefined;
};

const parse = (line: string): Parsed | undefined => {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null ? (parsed as Parsed) : undefined;
  } catch {
    return undefined;
  }
};

const textIn = (parsed: Parsed | undefined, name: string): string | undefined => {
  const value = parsed?.[name];
  return typeof value === "string" ? value : undefined;
};

const timeOf = (meta: string): string | undefined => {
  const at = parse(meta)?.at;
  return typeof at === "number" && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : undefined;
};
