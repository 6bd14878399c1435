/**
 * Answers to reads as protobuf bytes. An event is written by hand into one buffer: the generated code builds an object
 * for each field and grows its output by pieces, which is most of what a read costs.
 */
import { Buffer } from "node:buffer";
import type { Position, RecordedEvent, Revision, StreamName } from "../domain/kernel/stream.js";
import { identifierOf, streams } from "./proto.js";

const ticksPerMs = 10_000n;

/** A `ReadResp` with that event, byte for byte what the generated code writes for it. */
export const eventResponse = (recorded: RecordedEvent): Buffer => {
  const fields = fieldsOf(recorded);
  const size = recordedSize(fields);
  const position = 1 + varintSize(recorded.position);
  const event = lengthDelimited(size) + position;
  const out = Buffer.allocUnsafe(lengthDelimited(event));
  let at = head(out, 0, tag.event, event);
  at = head(out, at, tag.recorded, size);
  at = writeRecorded(out, at, fields);
  out[at++] = tag.readPosition;
  varint(out, at, recorded.position);
  return out;
};

/** Field number and wire type (2: length-delimited, 0: varint) of what is written here. */
const tag = {
  event: 0x0a, // ReadResp.event
  recorded: 0x0a, // ReadEvent.event
  readPosition: 0x18, // ReadEvent.commit_position
  id: 0x0a,
  stream: 0x12,
  revision: 0x18,
  prepare: 0x20,
  commit: 0x28,
  metadata: 0x32,
  customMetadata: 0x3a,
  data: 0x42,
  uuidText: 0x12, // UUID.string
  streamName: 0x1a, // StreamIdentifier.stream_name
  key: 0x0a,
  value: 0x12,
} as const;

type Fields = {
  readonly id: string;
  readonly stream: string;
  readonly streamBytes: number;
  readonly revision: Revision;
  readonly position: Position;
  /** Keys in the order in which the generated code sorts them. */
  readonly metadata: readonly (readonly [key: string, value: string, valueBytes: number])[];
  readonly meta: string;
  readonly metaBytes: number;
  readonly data: string;
  readonly dataBytes: number;
};

const fieldsOf = ({ id, stream, revision, position, type, data, meta }: RecordedEvent): Fields => {
  const created = createdTicks(meta);
  return {
    id,
    stream,
    streamBytes: Buffer.byteLength(stream),
    revision,
    position,
    metadata: [
      ["content-type", "application/json", 16],
      ["created", created, created.length],
      ["type", type, Buffer.byteLength(type)],
    ],
    meta,
    metaBytes: Buffer.byteLength(meta),
    data,
    dataBytes: Buffer.byteLength(data),
  };
};

/** Events of this log have their time at the start of `meta`; parsing it all for one number would cost more than the rest. */
const atPattern = /"at":(\d{1,16})[,}]/;

/** .NET ticks as clients read them, from the Unix epoch on; 0 for an event that does not say when it was. */
export const createdTicks = (meta: string): string => {
  const at = atPattern.exec(meta)?.[1];
  return at === undefined ? "0" : String(BigInt(at) * ticksPerMs);
};

const recordedSize = (fields: Fields): number => {
  const { id, streamBytes, revision, position, metadata, metaBytes, dataBytes } = fields;
  let size = lengthDelimited(lengthDelimited(id.length));
  size += lengthDelimited(streamBytes === 0 ? 0 : lengthDelimited(streamBytes));
  size += revision === 0 ? 0 : 1 + varintSize(revision);
  size += 2 * (1 + varintSize(position));
  for (const [key, , valueBytes] of metadata) size += lengthDelimited(entrySize(key, valueBytes));
  size += metaBytes === 0 ? 0 : lengthDelimited(metaBytes);
  size += dataBytes === 0 ? 0 : lengthDelimited(dataBytes);
  return size;
};

const writeRecorded = (out: Buffer, start: number, fields: Fields): number => {
  const { id, stream, streamBytes, revision, position, metadata, meta, metaBytes, data, dataBytes } = fields;
  let at = head(out, start, tag.id, lengthDelimited(id.length));
  at = text(out, at, tag.uuidText, id, id.length);
  at = head(out, at, tag.stream, streamBytes === 0 ? 0 : lengthDelimited(streamBytes));
  if (streamBytes > 0) at = text(out, at, tag.streamName, stream, streamBytes);
  if (revision !== 0) {
    out[at++] = tag.revision;
    at = varint(out, at, revision);
  }
  out[at++] = tag.prepare;
  at = varint(out, at, position);
  out[at++] = tag.commit;
  at = varint(out, at, position);
  for (const [key, value, valueBytes] of metadata) {
    at = head(out, at, tag.metadata, entrySize(key, valueBytes));
    at = text(out, at, tag.key, key, key.length);
    at = text(out, at, tag.value, value, valueBytes);
  }
  if (metaBytes > 0) at = text(out, at, tag.customMetadata, meta, metaBytes);
  return dataBytes > 0 ? text(out, at, tag.data, data, dataBytes) : at;
};

const entrySize = (key: string, valueBytes: number): number =>
  lengthDelimited(key.length) + lengthDelimited(valueBytes);

const varintSize = (value: number): number => {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
};

/** Not by bits: positions may grow beyond 32 of them. */
const varint = (out: Buffer, start: number, value: number): number => {
  let at = start;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out[at++] = (rest % 128) + 128;
  out[at++] = rest;
  return at;
};

/** Bytes of a field of that size with its tag and length. */
const lengthDelimited = (size: number): number => 1 + varintSize(size) + size;

const head = (out: Buffer, at: number, fieldTag: number, size: number): number => {
  out[at] = fieldTag;
  return varint(out, at + 1, size);
};

const text = (out: Buffer, start: number, fieldTag: number, value: string, bytes: number): number => {
  const at = head(out, start, fieldTag, bytes);
  out.write(value, at, bytes, "utf8");
  return at + bytes;
};

/** The other answers are rare: the generated code writes them. */
const response = (fill: (message: InstanceType<typeof streams.ReadResp>) => unknown): Buffer => {
  const message = new streams.ReadResp();
  fill(message);
  return Buffer.from(message.serializeBinary());
};

export const confirmationResponse = (subscriptionId: string): Buffer =>
  response((message) =>
    message.setConfirmation(new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(subscriptionId)),
  );

export const caughtUpResponse = response((message) => message.setCaughtUp(new streams.ReadResp.CaughtUp()));

export const checkpointResponse = (position: Position): Buffer =>
  response((message) =>
    message.setCheckpoint(
      new streams.ReadResp.Checkpoint().setCommitPosition(String(position)).setPreparePosition(String(position)),
    ),
  );

export const notFoundResponse = (stream: StreamName): Buffer =>
  response((message) =>
    message.setStreamNotFound(new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifierOf(stream))),
  );
