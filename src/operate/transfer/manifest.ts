import { readFile } from "node:fs/promises";
import { E, t } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Selection } from "../../audit/export/selection.js";
import type { Totals } from "../../audit/export/tally.js";
import { reasonOf } from "../../lib/errors.js";
import type { Compression } from "./compression.js";

export type Encoding = "ndjson" | "cloudevents";

/** A part of the file that is compressed by itself: a member of gzip, a frame of zstd. */
export type Chunk = {
  readonly events: number;
  /** In the file. */
  readonly bytes: number;
  /** Of these bytes, in hex. */
  readonly sha256: string;
};

/** What is known of an export before its events are read: what a part of it has to agree with to be resumed. */
export type ExportHead = {
  readonly format: "parley-events";
  readonly version: 1;
  readonly encoding: Encoding;
  readonly compression: Compression;
  readonly selection: Selection;
  /** The log's head when the export began: up to here it was read. */
  readonly upTo: Position;
  /** The log's incarnation; null for a log that nobody has started. */
  readonly epoch: string | null;
  readonly cell: string | null;
};

/** Beside an export that is whole, as FILE.manifest.json. */
export type ExportManifest = ExportHead & Totals & { readonly bytes: number; readonly chunks: readonly Chunk[] };

export const manifestPathOf = (file: string): string => `${file}.manifest.json`;

export const exportFormat = { format: "parley-events", version: 1 } as const;

const orNull = <C extends t.Mixed>(codec: C) => t.union([codec, t.null]);
const positions = t.partial({ from: t.number, to: t.number, since: t.number, until: t.number });
const names = t.partial({ stream: t.string, conversation: t.string, user: t.string, type: t.string });
const headFields = {
  format: t.literal("parley-events"),
  version: t.literal(1),
  encoding: t.keyof({ ndjson: null, cloudevents: null }),
  compression: t.keyof({ gzip: null, zstd: null, none: null }),
  selection: t.intersection([names, positions]),
  upTo: t.number,
  epoch: orNull(t.string),
  cell: orNull(t.string),
};
const chunkCodec = t.type({ events: t.number, bytes: t.number, sha256: t.string });
export const headCodec = t.type(headFields);
const manifestCodec = t.type({
  ...headFields,
  events: t.number,
  types: t.record(t.string, t.number),
  first: orNull(t.number),
  last: orNull(t.number),
  sha256: t.string,
  root: t.string,
  bytes: t.number,
  chunks: t.array(chunkCodec),
});
export const isChunk = (value: unknown): value is Chunk => chunkCodec.is(value);

/** @throws (rejects) Error that says what to do where there is none, or none of this version */
export const readManifest = async (file: string): Promise<ExportManifest> => {
  const path = manifestPathOf(file);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new Error(`${reasonOf(error)}. An export is its file and ${path} beside it: copy both`);
  });
  const decoded = manifestCodec.decode(parsed(text));
  if (E.isLeft(decoded)) {
    const field = decoded.left[0]?.context.map(({ key }) => key).join(".") ?? "";
    throw new Error(`${path} is no manifest of an export that this version knows (${field.replace(/^\./, "")})`);
  }
  // Positions are numbers that bear a name.
  return decoded.right as unknown as ExportManifest;
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
