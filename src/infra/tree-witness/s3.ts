import { createHash } from "node:crypto";
import { openLockedObjects, type LockOptions } from "../blob-store/s3/locked-objects.js";
import type { WitnessOptions } from "./witness.js";

/**
 * Puts each into a bucket, as an object that nobody can change or remove for its time. Its name follows from what it says:
 * told again it is the same object, and another head of that size stands beside the first.
 * @throws TypeError when the URL is not http(s)://host[:port]
 */
export const toS3 = (options: LockOptions): WitnessOptions["put"] => {
  const objects = openLockedObjects(options);
  return (line, stopped) => orStopped(objects.put(keyOf(line), `${line}\n`), stopped);
};

const sizeDigits = 16;

/** By incarnation and size, so that a listing is in the order in which they were signed. */
const keyOf = (line: string): string => {
  const { epoch, size } = JSON.parse(line) as { readonly epoch: string; readonly size: number };
  const digest = createHash("sha256").update(line).digest("hex").slice(0, 16);
  return `parley-tree/${epoch}/${String(size).padStart(sizeDigits, "0")}-${digest}.json`;
};

/** The client cannot be stopped; it ends by itself within its own time. */
const orStopped = (work: Promise<void>, stopped: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(new Error("stopped"));
    };
    stopped.addEventListener("abort", stop, { once: true });
    if (stopped.aborted) stop();
    work.then(resolve, reject).finally(() => {
      stopped.removeEventListener("abort", stop);
    });
  });
