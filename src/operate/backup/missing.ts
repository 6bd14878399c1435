import { newestEpoch } from "../../commands/epoch.js";
import { asPosition } from "../../domain/kernel/stream.js";
import { reasonOf } from "../../lib/errors.js";
import { openLogOf } from "../inspect/stores.js";
import type { BackupManifest } from "./manifest.js";

/** What a directory has that its backup has not. */
export type Missing =
  | {
      readonly events: number;
      /** Of the first that is missing and of the last, Unix milliseconds; null where there is none or it does not say. */
      readonly from: number | null;
      readonly to: number | null;
    }
  /** Why it is not known. */
  | { readonly unknown: string };

/** Compares a backup with what is left of the directory that it was taken of. Never rejects: what is left may be damaged. */
export const missingSince = async ({ head, epoch }: BackupManifest, old: string): Promise<Missing> => {
  try {
    const log = openLogOf(old);
    try {
      const theirs = await newestEpoch(log);
      if (theirs !== epoch)
        return { unknown: `${old} is of the epoch ${theirs ?? "none"}, the backup of ${epoch ?? "none"}` };
      const [first] = await log.readAll(asPosition(head), 1);
      const [last] = await log.readAll(undefined, 1, "backwards");
      // Positions of this log are dense.
      const events = Math.max(0, (await log.head()) - head);
      return events === 0 ? { events, from: null, to: null } : { events, from: timeOf(first), to: timeOf(last) };
    } finally {
      log.close();
    }
  } catch (error) {
    return { unknown: reasonOf(error) };
  }
};

const timeOf = (event: { readonly meta: string } | undefined): number | null => {
  if (event === undefined) return null;
  const { at } = JSON.parse(event.meta) as { readonly at?: unknown };
  return typeof at === "number" ? at : null;
};
