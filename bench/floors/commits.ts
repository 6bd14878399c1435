import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";

/** Bytes that may wait for one commit: a closed loop of the bench has a tenth of it in flight. */
export const batchBytesMax = 4 * 1024 * 1024;
const fileBytes = 64 * 1024 * 1024;

export type Shared = {
  /** 0: bytes that are to be committed, 0 while there is nothing to do. */
  readonly control: Int32Array;
  readonly batch: Uint8Array;
};

export const sharedOf = (memory: SharedArrayBuffer): Shared => ({
  control: new Int32Array(memory, 0, 1),
  batch: new Uint8Array(memory, 8),
});

/** A file that is written in a circle, so that its size, which a flush would have to store too, never changes. */
export const openCircle = (path: string) => {
  const file = openSync(path, "w");
  const zeros = Buffer.alloc(batchBytesMax);
  for (let at = 0; at < fileBytes; at += zeros.length) writeSync(file, zeros, 0, zeros.length, at);
  fdatasyncSync(file);
  let at = 0;
  return {
    commit: (batch: Uint8Array, bytes: number): void => {
      if (at + bytes > fileBytes) at = 0;
      writeSync(file, batch, 0, bytes, at);
      fdatasyncSync(file);
      at += bytes;
    },
    close: () => {
      closeSync(file);
    },
  };
};
