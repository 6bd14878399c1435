/** Whether a log, a copy of one or an export of one is what its signed heads say. */
import { existsSync } from "node:fs";
import { verifyLog, type Verified } from "../../audit/tree/verify.js";
import type { Selection } from "../../audit/export/selection.js";
import { noPosition } from "../../domain/kernel/stream.js";
import type { Closers } from "../../profiles/close-all.js";
import { closeQuietly } from "../doctor/probe.js";
import { openToRead } from "../open.js";
import { pagesOf } from "../pages.js";
import type { Target } from "../target.js";
import { manifestPathOf, readManifest } from "../transfer/manifest.js";
import { eventsOfExport } from "./export-file.js";
import { openTreeReads } from "./open.js";
import { CannotVerify, readTrustedKey, readWitnessedHeads } from "./outside.js";

export type VerifyOptions = {
  /** PEM of the keys that are trusted: several where one was lost, and the next could not be linked to it. */
  readonly publicKeyFiles?: readonly string[];
  /** Heads that a witness kept, or one (`readWitnessedHeads`). */
  readonly witnessFile?: string;
  readonly onProgress?: (leaves: number) => void;
};

export type { Verified } from "../../audit/tree/verify.js";

/** A running server's log, a stopped one's, or a copy of its directory. @throws (rejects) NotThere, CannotVerify, Error */
export const verifyTarget = async (target: Target, options: VerifyOptions): Promise<Verified> => {
  const opened = await openToRead(target);
  const closers: Closers = [opened.close];
  try {
    const hashes = await openTreeReads(target, closers);
    const upTo = await opened.log.head();
    return await verifyLog({
      events: () => pagesOf(opened.log, noPosition, upTo),
      end: opened.log.head,
      ...(hashes === undefined ? {} : { hashes }),
      ...(await outside(options)),
    });
  } finally {
    await closeQuietly(closers);
  }
};

/**
 * An export of a whole log, or of one up to a position (`parley events export`), with nothing else; packed with zstd, or as
 * CloudEvents, with its manifest.
 * @throws (rejects) CannotVerify, Error
 */
export const verifyFile = async (file: string, options: VerifyOptions): Promise<Verified> => {
  if (!existsSync(file)) throw new CannotVerify(`${file} is not there`);
  const manifest = existsSync(manifestPathOf(file)) ? await readManifest(file) : undefined;
  if (manifest !== undefined && !isBeginning(manifest.selection))
    throw new CannotVerify(
      `${file} is a part of a log, and heads are of whole ones: export without a selection, or prove its events one by one (parley audit prove POSITION)`,
    );
  return verifyLog({ events: () => eventsOfExport(file, manifest), ...(await outside(options)) });
};

/** A log up to a position is a log. */
const isBeginning = (selection: Selection): boolean => Object.keys(selection).every((part) => part === "to");

const outside = async ({ publicKeyFiles = [], witnessFile, onProgress }: VerifyOptions) => ({
  ...(publicKeyFiles.length === 0 ? {} : { trusted: await Promise.all(publicKeyFiles.map(readTrustedKey)) }),
  ...(witnessFile === undefined ? {} : { witnessed: await readWitnessedHeads(witnessFile) }),
  ...(onProgress === undefined ? {} : { onProgress }),
});
