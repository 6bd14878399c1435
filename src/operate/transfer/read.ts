import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import { eventIn } from "../../audit/export/line.js";
import { eventInCloudEvent } from "../../audit/export/cloud-event.js";
import { reasonOf } from "../../lib/errors.js";
import { compressorOf } from "./compression.js";
import type { Chunk, ExportHead } from "./manifest.js";

/** What an export's file holds is not what was exported. `line` counts from 1. */
export class BadExport extends Error {
  constructor(
    readonly line: number,
    says: string,
  ) {
    super(`line ${line}: ${says}`);
    this.name = "BadExport";
  }
}

/** What was read of a file that is being read: enough to go on from, or to say where it is. */
export type ReadChunk = {
  /** Of its first event, from 1. */
  readonly line: number;
  readonly events: readonly RecordedEvent[];
};

/**
 * The chunks of an export one after another, whole in memory one at a time: a chunk has some megabytes.
 * @throws (rejects) BadExport that names the first bad line, or the lines among which it is
 */
export async function* readChunks(
  path: string,
  head: Pick<ExportHead, "encoding" | "compression" | "cell">,
  chunks: readonly Chunk[],
): AsyncGenerator<ReadChunk> {
  if (chunks.length === 0) return;
  const { expand } = await compressorOf(head.compression);
  const file = await open(path, "r");
  try {
    let offset = 0;
    let line = 1;
    for (const chunk of chunks) {
      const last = line + chunk.events - 1;
      const bytes = await bytesAt(file, offset, chunk.bytes);
      const isIntact = createHash("sha256").update(bytes).digest("hex") === chunk.sha256;
      const within = `among lines ${line} to ${last}: `;
      if (bytes.length < chunk.bytes) throw new BadExport(line, `${within}the file ends before the chunk does`);
      const text = await expand(bytes).catch((error: unknown) => {
        throw new BadExport(line, `${within}the chunk does not unpack (${reasonOf(error)})`);
      });
      const events = eventsOf(text, head, line);
      if (!isIntact) throw new BadExport(line, `${within}the bytes are not those that were written`);
      if (events.length !== chunk.events)
        throw new BadExport(line + Math.min(events.length, chunk.events), `${within}${events.length} events`);
      yield { line, events };
      offset += chunk.bytes;
      line += chunk.events;
    }
  } finally {
    await file.close();
  }
}

/**
 * What is packed in each chunk, whether or not it is what was written; it ends where the file does.
 * @throws (rejects) BadExport for what does not unpack
 */
export async function* unpackedChunks(
  path: string,
  { compression, chunks }: Pick<ExportHead, "compression"> & { readonly chunks: readonly Chunk[] },
): AsyncGenerator<Buffer> {
  const { expand } = await compressorOf(compression);
  const file = await open(path, "r");
  try {
    let [offset, line] = [0, 1];
    for (const { bytes: length, events } of chunks) {
      const bytes = await bytesAt(file, offset, length);
      if (bytes.length === 0) return;
      yield await expand(bytes).catch((error: unknown) => {
        throw new BadExport(line, reasonOf(error));
      });
      offset += length;
      line += events;
    }
  } finally {
    await file.close();
  }
}

/** Fewer bytes where the file ends before. */
const bytesAt = async (file: FileHandle, offset: number, length: number): Promise<Buffer> => {
  const buffer = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.read(buffer, read, length - read, offset + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
};

const eventsOf = (
  bytes: Buffer,
  { encoding, cell }: Pick<ExportHead, "encoding" | "cell">,
  first: number,
): readonly RecordedEvent[] => {
  const lines = bytes.toString("utf8").split("\n");
  // The last one is empty: each line ends with a line feed.
  if (lines.pop() !== "") throw new BadExport(first + lines.length, "it does not end");
  return lines.map((line, index) => {
    const event = encoding === "ndjson" ? eventIn(line) : eventInCloudEvent(line, cell ?? "");
    if (event === undefined) throw new BadExport(first + index, "it is no event as they are exported");
    return event;
  });
};
