import { stat } from "node:fs/promises";
import { isLeaf } from "../../audit/canonical.js";
import { hasWholeStreams } from "../../audit/export/selection.js";
import { createTally, type Totals } from "../../audit/export/tally.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import { readManifest, type ExportManifest } from "./manifest.js";
import { BadExport, readChunks } from "./read.js";
import { createRevisions } from "./revisions.js";

export type VerifiedExport = {
  readonly manifest: ExportManifest;
  /** The first that is wrong; undefined when the file holds what its manifest says. */
  readonly problem?: { readonly line?: number; readonly says: string };
};

/**
 * Whether an export is what was written: bytes, form and order of every line, revisions without a gap where it has whole
 * streams, counts and hash. It needs nothing but the file and its manifest.
 * @param onProgress events
 * @throws (rejects) Error when the file or its manifest is not there
 */
export const verifyExport = async (
  file: string,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<VerifiedExport> => {
  const manifest = await readManifest(file);
  try {
    for await (const { line } of checkedEvents(file, manifest)) onProgress(line, manifest.events);
    return { manifest };
  } catch (error) {
    if (error instanceof BadExport) return { manifest, problem: { line: error.line, says: error.message } };
    if (error instanceof OtherThanManifest) return { manifest, problem: { says: error.message } };
    throw error;
  }
};

/** Every line is well, and they are not those that the manifest was written for. */
class OtherThanManifest extends Error {}

/**
 * The events of an export, each checked before it is given; the whole at the end.
 * @throws (rejects) BadExport and OtherThanManifest
 */
export async function* checkedEvents(
  file: string,
  manifest: ExportManifest,
): AsyncGenerator<{ readonly line: number; readonly event: RecordedEvent }> {
  const tally = createTally();
  const revisions = hasWholeStreams(manifest.selection) ? createRevisions() : undefined;
  try {
    for await (const { line, events } of readChunks(file, manifest, manifest.chunks))
      for (const [index, event] of events.entries()) {
        checkPlace(line + index, event, tally.last(), revisions?.wrong(event));
        tally.add(event);
        yield { line: line + index, event };
      }
  } finally {
    revisions?.close();
  }
  const { size } = await stat(file);
  if (size !== manifest.bytes)
    throw new OtherThanManifest(`the file has ${size} bytes, its manifest says ${manifest.bytes}`);
  refuseOtherTotals(tally.totals(), manifest);
}

const checkPlace = (
  line: number,
  { stream, revision, position }: RecordedEvent,
  before: number | null,
  expected: number | undefined,
): void => {
  if (position <= (before ?? 0)) throw new BadExport(line, `its position ${position} comes after ${before ?? 0}`);
  if (!isLeaf(stream)) throw new BadExport(line, `${stream} is not exported`);
  if (expected !== undefined)
    throw new BadExport(line, `${stream}@${revision}, where ${stream}@${expected} should be: something is missing`);
};

const refuseOtherTotals = (found: Totals, manifest: ExportManifest): void => {
  for (const name of ["events", "first", "last", "sha256", "root", "types"] as const) {
    const [here, said] = [JSON.stringify(found[name]), JSON.stringify(manifest[name])];
    if (here !== said) throw new OtherThanManifest(`${name}: the file has ${here}, its manifest says ${said}`);
  }
};
