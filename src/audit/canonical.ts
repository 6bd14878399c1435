import { quoted } from "../domain/kernel/json.js";
import { isParleyStream, streamOf, type RecordedEvent, type StreamName } from "../domain/kernel/stream.js";

export type CanonicalParts = Pick<RecordedEvent, "stream" | "revision" | "type" | "id" | "data" | "meta">;

/**
 * The one form of an event that is hashed and exported: a JSON object on one line, UTF-8, with the stored texts of data
 * and metadata as they are, byte by byte. Neither position nor time of storing is in it, so that it is the same in every
 * log that holds the event. A text that is not JSON on one line, which Parley itself never writes, stands escaped under
 * another name: two events never have the same form.
 */
export const canonicalOf = ({ stream, revision, type, id, data, meta }: CanonicalParts): string =>
  `{"stream":${quoted(stream)},"revision":${revision},"type":${quoted(type)},"id":${quoted(id)},` +
  `${field("data", data)},${field("metadata", meta)}}`;

/** A line of an export: the canonical form with the position put in front. */
export const lineOf = (event: RecordedEvent): string => `{"position":${event.position},${canonicalOf(event).slice(1)}`;

/** The canonical form in a line of an export; undefined for what is no such line. */
export const canonicalIn = (line: string): string | undefined => {
  const [head] = /^\{"position":\d+,/.exec(line) ?? [];
  return head === undefined ? undefined : `{${line.slice(head.length)}`;
};

/** Which events are hashed: all of Parley's but the log's own, which tells incarnations and is new after an import. */
export const isLeaf = (stream: StreamName): boolean => stream !== streamOf.log && isParleyStream(stream);

const field = (name: "data" | "metadata", text: string): string =>
  isOneLineOfJson(text) ? `"${name}":${text}` : `"${name}Text":${quoted(text)}`;

/** Whether a text can stand in a line as it is. */
export const isOneLineOfJson = (text: string): boolean => {
  if (/[\n\r]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
