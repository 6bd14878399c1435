/**
 * An export on its way: `FILE.part` with the chunks, `FILE.state` with what they are of and a line for each chunk that is
 * on the disk. Whatever kills the process, the next one begins after the last whole chunk.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readFile, rename, rm, stat, truncate, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import { lineOf } from "../../audit/canonical.js";
import { cloudEventOf } from "../../audit/export/cloud-event.js";
import { createTally, type Tally } from "../../audit/export/tally.js";
import { compressorOf } from "./compression.js";
import { headCodec, isChunk, manifestPathOf, type Chunk, type ExportHead, type ExportManifest } from "./manifest.js";
import { readChunks } from "./read.js";
import { syncDirectory } from "../../lib/sync-directory.js";
import { writeWhole } from "../durable.js";

/** A chunk is closed when it has so many; a reader has one whole in memory. */
const chunkCharsMax = 4 * 1024 * 1024;
const chunkEventsMax = 5_000;

export type ExportWriter = {
  readonly tally: Pick<Tally, "events" | "last">;
  readonly add: (event: RecordedEvent) => Promise<void>;
  /** The export is whole from here on: its manifest and, last, its file take their names. */
  readonly finish: () => Promise<ExportManifest>;
  readonly close: () => Promise<void>;
};

const partOf = (file: string): string => `${file}.part`;
const stateOf = (file: string): string => `${file}.state`;

/** An export of this file that was begun, as far as it came; undefined where there is none. @throws Error for another's state */
export const begunExport = async (
  file: string,
): Promise<{ readonly head: ExportHead; readonly chunks: readonly Chunk[] } | undefined> => {
  if (!existsSync(stateOf(file)) || !existsSync(partOf(file))) return undefined;
  const [first = "", ...others] = (await readFile(stateOf(file), "utf8")).split("\n");
  const head: unknown = parsed(first);
  // Killed before its first line was there: nothing has begun.
  if (!headCodec.is(head)) return undefined;
  const chunks: Chunk[] = [];
  const { size } = await stat(partOf(file));
  let bytes = 0;
  for (const line of others) {
    const chunk = parsed(line);
    if (!isChunk(chunk) || bytes + chunk.bytes > size) break;
    chunks.push(chunk);
    bytes += chunk.bytes;
  }
  return { head: head as ExportHead, chunks };
};

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // cut short by the kill
  }
};

/**
 * @param begun chunks of a run before, which are read again: they are checked and counted
 * @throws (rejects) BadExport when one of them is damaged
 */
export const openExportWriter = async (
  path: string,
  head: ExportHead,
  begun: readonly Chunk[],
): Promise<ExportWriter> => {
  const tally = createTally();
  for await (const { events } of readChunks(partOf(path), head, begun)) for (const event of events) tally.add(event);
  const { compress } = await compressorOf(head.compression);
  const chunks = [...begun];
  await open(partOf(path), "a", 0o600).then((made) => made.close());
  await truncate(partOf(path), bytesOf(chunks));
  await writeWhole(stateOf(path), [head, ...chunks].map((line) => `${JSON.stringify(line)}\n`).join(""));
  const [part, state] = [await open(partOf(path), "a"), await open(stateOf(path), "a")];
  let lines: string[] = [];
  let chars = 0;

  const flush = async (): Promise<void> => {
    if (lines.length === 0) return;
    const bytes = await compress(Buffer.from(lines.join("")));
    const chunk = {
      events: lines.length,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    };
    await appendSynced(part, bytes);
    await appendSynced(state, Buffer.from(`${JSON.stringify(chunk)}\n`));
    chunks.push(chunk);
    lines = [];
    chars = 0;
  };
  const close = async (): Promise<void> => {
    await part.close();
    await state.close();
  };
  return {
    tally,
    add: async (event) => {
      tally.add(event);
      const line = `${head.encoding === "ndjson" ? lineOf(event) : cloudEventOf(event, head.cell ?? "")}\n`;
      lines.push(line);
      chars += line.length;
      if (chars >= chunkCharsMax || lines.length >= chunkEventsMax) await flush();
    },
    finish: async () => {
      await flush();
      await close();
      const manifest: ExportManifest = { ...head, ...tally.totals(), bytes: bytesOf(chunks), chunks };
      await writeWhole(manifestPathOf(path), `${JSON.stringify(manifest)}\n`);
      await rename(partOf(path), path);
      await rm(stateOf(path));
      await syncDirectory(dirname(path));
      return manifest;
    },
    close,
  };
};

const bytesOf = (chunks: readonly Chunk[]): number => chunks.reduce((sum, { bytes }) => sum + bytes, 0);

const appendSynced = async (file: FileHandle, bytes: Buffer): Promise<void> => {
  await file.appendFile(bytes);
  await file.datasync();
};
