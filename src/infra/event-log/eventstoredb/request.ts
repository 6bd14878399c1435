/** An append on the wire: BatchAppend's request and answer. Byte fields are given as bytes: a string would mean base64. */
import empty_pb from "google-protobuf/google/protobuf/empty_pb.js";
import timestamp_pb from "google-protobuf/google/protobuf/timestamp_pb.js";
import shared_pb from "@eventstore/db-client/generated/shared_pb.js";
import streams_pb, { type BatchAppendReq, type BatchAppendResp } from "@eventstore/db-client/generated/streams_pb.js";
import { LogError, type AppendResult } from "../../../commands/ports.js";
import { limits } from "../../../domain/kernel/limits.js";
import {
  asRevision,
  noRevision,
  type ExpectedRevision,
  type NewEvent,
  type StreamName,
} from "../../../domain/kernel/stream.js";
import { appendFailure } from "./errors.js";
import { positionOf } from "./events.js";

/**
 * Far beyond any append. The server takes the shorter of this and its own write time-out (2 s); it compares an absolute
 * time with its own clock, so a short deadline and clocks that differ would time out every append.
 */
const deadlineMs = 3_600_000;

/** `correlation`: below 2^48; what the answer is told apart by. */
export const appendRequest = (
  correlation: number,
  stream: StreamName,
  expected: ExpectedRevision,
  events: readonly NewEvent[],
): BatchAppendReq => {
  const options = new streams_pb.BatchAppendReq.Options();
  const identifier = new shared_pb.StreamIdentifier();
  identifier.setStreamName(utf8.encode(stream));
  options.setStreamIdentifier(identifier);
  options.setDeadline(timestamp_pb.Timestamp.fromDate(new Date(Date.now() + deadlineMs)));
  if (expected === "any") options.setAny(new empty_pb.Empty());
  else if (expected === "no_stream" || expected === noRevision) options.setNoStream(new empty_pb.Empty());
  else options.setStreamPosition(String(expected));
  const request = new streams_pb.BatchAppendReq();
  request.setCorrelationId(uuidOf(`00000000-0000-4000-8000-${correlation.toString(16).padStart(12, "0")}`));
  request.setOptions(options);
  request.setProposedMessagesList(events.map(proposed));
  request.setIsFinal(true);
  return request;
};

const proposed = ({ id, type, data, meta }: NewEvent): BatchAppendReq.ProposedMessage => {
  const message = new streams_pb.BatchAppendReq.ProposedMessage();
  message.setId(uuidOf(id));
  message.getMetadataMap().set("type", type).set("content-type", "application/json");
  message.setData(utf8.encode(data));
  message.setCustomMetadata(utf8.encode(meta));
  return message;
};

/** A server may answer with the id as text or as two numbers; ours is in the last twelve digits. */
export const correlationOf = (response: BatchAppendResp): number => {
  const id = response.getCorrelationId();
  const structured = id?.getStructured();
  return structured === undefined
    ? Number.parseInt(id?.getString().slice(-12) ?? "", 16)
    : Number(BigInt.asUintN(48, BigInt(structured.getLeastSignificantBits())));
};

/** What the server says about an append. `target` is its address, for messages. */
export const answerOf = (response: BatchAppendResp, target: string): AppendResult | LogError => {
  const success = response.getSuccess();
  const position = success?.getPosition()?.getCommitPosition();
  if (success !== undefined && position !== undefined) {
    try {
      return {
        kind: "appended",
        revision: asRevision(Number(success.getCurrentRevision())),
        position: positionOf(position),
      };
    } catch (error) {
      return error instanceof LogError ? error : new LogError("OUTCOME_UNKNOWN", String(error));
    }
  }
  const status = response.getError();
  const details = status?.getDetails();
  const detail = details?.getTypeName().replace(/^event_store\.client\./, "") ?? "no details";
  if (details !== undefined && detail === "WrongExpectedVersion") {
    const wrong = shared_pb.WrongExpectedVersion.deserializeBinary(details.getValue_asU8());
    return {
      kind: "conflict",
      actual: wrong.hasCurrentStreamRevision() ? asRevision(Number(wrong.getCurrentStreamRevision())) : noRevision,
    };
  }
  return appendFailure({ detail, message: status?.getMessage() ?? "neither success nor error" }, target);
};

/**
 * Bytes of an append, ids and types included.
 * @throws LogError `TOO_LARGE` above the domain's limits; RangeError for no events or an id that is there twice.
 */
export const sizeOf = (events: readonly NewEvent[]): number => {
  if (events.length === 0) throw new RangeError("an append has no events");
  if (events.length > 1 && new Set(events.map(({ id }) => id)).size < events.length)
    throw new RangeError("an append has an event id twice");
  let sum = 0;
  for (const { id, type, data, meta } of events) {
    const size = id.length + type.length + Buffer.byteLength(data) + Buffer.byteLength(meta);
    if (size > limits.eventBytesMax)
      throw new LogError("TOO_LARGE", `${size} bytes are more than the ${limits.eventBytesMax} of an event`);
    sum += size;
  }
  if (sum > limits.appendBytesMax)
    throw new LogError("TOO_LARGE", `${sum} bytes are more than the ${limits.appendBytesMax} of an append`);
  return sum;
};

const utf8 = new TextEncoder();
const uuidOf = (id: string): InstanceType<typeof shared_pb.UUID> => {
  const uuid = new shared_pb.UUID();
  uuid.setString(id);
  return uuid;
};
