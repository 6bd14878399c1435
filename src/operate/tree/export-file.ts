/** The events of an export's file as a verifier of the tree reads them, whatever has been done to it. */
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { eventInCloudEvent } from "../../audit/export/cloud-event.js";
import { eventIn } from "../../audit/export/line.js";
import type { EventOrBad } from "../../audit/tree/locate.js";
import { reasonOf } from "../../lib/errors.js";
import type { ExportManifest } from "../transfer/manifest.js";
import { BadExport, unpackedChunks } from "../transfer/read.js";

const pageLines = 500;
/** An event has at most 64 KiB, which its form may make several times longer. */
const lineBytesMax = 4 * 1024 * 1024;

/**
 * Pages of events; what is none ends them. Packed with gzip or not is seen by the file itself; of zstd, and of CloudEvents,
 * the manifest says it. What a manifest says of hashes is not looked at: the tree says more.
 * @throws (rejects) the disk's errors
 */
export async function* eventsOfExport(
  file: string,
  manifest: ExportManifest | undefined,
): AsyncGenerator<readonly EventOrBad[]> {
  const { cell } = manifest ?? {};
  const parse = manifest?.encoding === "cloudevents" ? (text: string) => eventInCloudEvent(text, cell ?? "") : eventIn;
  let page: EventOrBad[] = [];
  let [after, line] = [0, 0];
  try {
    for await (const text of linesOf(await bytesOf(file, manifest))) {
      line += 1;
      const event = parse(text);
      if (event === undefined) {
        yield [...page, { bad: `line ${line} is no event of an export`, after, to: after + 1 }];
        return;
      }
      after = event.position;
      page.push(event);
      if (page.length < pageLines) continue;
      yield page;
      page = [];
    }
  } catch (error) {
    if (!isPacking(error)) throw error;
    // What was unpacked of it before it was seen to be damaged may be damaged as well.
    const to = Math.max(manifest?.last ?? 0, after + 1);
    page.push({ bad: `after line ${line} it does not unpack (${reasonOf(error)})`, after, to, sinceSigned: true });
  }
  yield page;
}

const isPacking = (error: unknown): boolean =>
  error instanceof BadExport || error instanceof EndlessLine || codeOf(error).startsWith("Z_");
const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

const bytesOf = async (file: string, manifest: ExportManifest | undefined): Promise<AsyncIterable<Uint8Array>> => {
  if (manifest?.compression === "zstd") return unpackedChunks(file, manifest);
  const bytes = createReadStream(file);
  if (!(await isGzip(file))) return bytes;
  const unpacked = createGunzip();
  bytes.on("error", (error) => unpacked.destroy(error));
  return bytes.pipe(unpacked);
};

const isGzip = async (file: string): Promise<boolean> => {
  for await (const chunk of createReadStream(file, { end: 1 }))
    return (chunk as Buffer).equals(Buffer.from([0x1f, 0x8b]));
  return false;
};

class EndlessLine extends Error {}

/** By line feeds alone: other characters that end lines somewhere may stand in a JSON text. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
      yield bytes.toString("utf8", start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > lineBytesMax) throw new EndlessLine(`a line of more than ${lineBytesMax} bytes`);
  }
  if (rest.length > 0) yield rest.toString("utf8");
}
