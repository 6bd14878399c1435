/** What clients want appended, taken in: bounded while it comes in pieces, checked once it is whole. */
import type { AppendResult, EventLog } from "../commands/ports.js";
import { limits } from "../domain/kernel/limits.js";
import {
  asRevision,
  noPosition,
  noRevision,
  type ExpectedRevision,
  type NewEvent,
  type Revision,
  type StreamName,
} from "../domain/kernel/stream.js";
import { accessDenied, invalid, tooLarge } from "./errors.js";
import { uuidOf, wholeNumber, type streams } from "./proto.js";
import { status } from "@grpc/grpc-js";

type ProposedMessage =
  InstanceType<typeof streams.AppendReq.ProposedMessage> | InstanceType<typeof streams.BatchAppendReq.ProposedMessage>;

export type Expectation = ExpectedRevision | "stream_exists";

/** The fields that the options of Append and of BatchAppend share. */
type ExpectedOptions = {
  readonly hasAny: () => boolean;
  readonly hasNoStream: () => boolean;
  readonly hasStreamExists: () => boolean;
};

export const expectationOf = (options: ExpectedOptions, revision: string): Expectation => {
  if (options.hasAny()) return "any";
  if (options.hasNoStream()) return "no_stream";
  if (options.hasStreamExists()) return "stream_exists";
  return asRevision(wholeNumber(revision));
};

export type Proposed = {
  /** @throws CallError when it is too much, or not what this log keeps */
  readonly add: (message: ProposedMessage) => void;
  readonly events: () => readonly NewEvent[];
  readonly bytes: () => number;
};

/** Bytes of ids and lengths that an event of no size costs as well, so that empty events are bounded too. */
const eventBytesMin = 64;

export const createProposed = (): Proposed => {
  const events: NewEvent[] = [];
  let bytes = 0;
  return {
    add: (message) => {
      const data = message.getData_asU8();
      const meta = message.getCustomMetadata_asU8();
      const size = data.length + meta.length;
      if (size > limits.eventBytesMax) throw tooLarge(`An event has at most ${limits.eventBytesMax} bytes.`);
      bytes += Math.max(size, eventBytesMin);
      if (bytes > limits.appendBytesMax) throw tooLarge(`An append has at most ${limits.appendBytesMax} bytes.`);
      events.push(eventOf(message, data, meta));
    },
    events: () => events,
    bytes: () => bytes,
  };
};

const eventOf = (message: ProposedMessage, data: Uint8Array, meta: Uint8Array): NewEvent => {
  const id = uuidOf(message.getId());
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) throw invalid("An event's id is a UUID.");
  const type = message.getMetadataMap().get("type");
  if (type === undefined || type === "") throw invalid(`Event ${id} has no type.`);
  if (message.getMetadataMap().get("content-type") !== "application/json")
    throw invalid(`Event ${id} is not application/json; this log keeps JSON only.`);
  return { id, type, data: jsonText(data, id), meta: meta.length === 0 ? "" : jsonText(meta, id) };
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const jsonText = (bytes: Uint8Array, id: string): string => {
  try {
    const text = utf8.decode(bytes);
    JSON.parse(text);
    return text;
  } catch (error) {
    throw invalid(`Event ${id} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
};

/** Streams of the system are not a client's to write; this server would not follow what their metadata say. */
export const checkStream = (stream: StreamName): void => {
  if (stream === "") throw invalid("A stream has a name.");
  if (stream.startsWith("$"))
    throw accessDenied(status.PERMISSION_DENIED, `Stream '${stream}' belongs to the system and cannot be written.`);
};

/**
 * Appends to the log what a client proposes. No events: only the expectation is checked, and the position is 0.
 * @throws (rejects) LogError, RangeError as `EventLog.append` does
 */
export const appendProposed = async (
  log: EventLog,
  stream: StreamName,
  expected: Expectation,
  events: readonly NewEvent[],
): Promise<AppendResult> => {
  if (events.length > 0 && expected !== "stream_exists") return log.append(stream, expected, events);
  const [newest] = await log.readStream(stream, noRevision, 1, "backwards");
  const revision = newest?.revision ?? noRevision;
  if (!allows(expected, revision)) return { kind: "conflict", actual: revision };
  if (events.length === 0) return { kind: "appended", revision, position: noPosition };
  // Streams of this log are never deleted, so one that was there still is.
  return log.append(stream, "any", events);
};

const allows = (expected: Expectation, revision: Revision): boolean => {
  switch (expected) {
    case "any":
      return true;
    case "no_stream":
      return revision === noRevision;
    case "stream_exists":
      return revision !== noRevision;
    default:
      return expected === revision;
  }
};
