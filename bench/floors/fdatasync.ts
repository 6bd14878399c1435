import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Latency } from "../load/latency.js";

export type DiskFloor = {
  /** Writes and flushes one page after the other for `forMs`; the number of flushes. Blocks the thread. */
  readonly run: (forMs: number, latency: Latency) => number;
  readonly close: () => void;
};

const pageBytes = 4096;
/** Overwritten in a circle, so that the file's size, which a flush would have to store too, never changes. */
const pages = 1024;

/** What durable costs at the least on this disk: one page of 4 KiB with pwrite, then fdatasync. */
export const openDiskFloor = (directory: string): DiskFloor => {
  const path = join(directory, "floor.bin");
  const file = openSync(path, "w");
  const page = Buffer.alloc(pageBytes, 0x5a);
  for (let i = 0; i < pages; i++) writeSync(file, page, 0, pageBytes, i * pageBytes);
  fdatasyncSync(file);
  let next = 0;

  return {
    run: (forMs, latency) => {
      const end = performance.now() + forMs;
      let flushes = 0;
      for (let start = performance.now(); start < end; flushes++) {
        page.writeUInt32LE(flushes, 0);
        writeSync(file, page, 0, pageBytes, next * pageBytes);
        fdatasyncSync(file);
        next = (next + 1) % pages;
        const now = performance.now();
        latency.record(now - start);
        start = now;
      }
      return flushes;
    },
    close: () => {
      closeSync(file);
      rmSync(path);
    },
  };
};
