import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../lib/sync-directory.js";

/** Writes a file (mode 600) that is there whole, on the disk, or not at all. */
export const writeWhole = async (path: string, text: string): Promise<void> => {
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
};

/** Bytes and SHA-256, in hex, of a file; read in pieces. */
export type FileDigest = { readonly bytes: number; readonly sha256: string };

export const digestOf = async (
  path: string,
  onRead: (bytes: number) => void = () => undefined,
): Promise<FileDigest> => {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
    onRead(piece.length);
  }
  return { bytes, sha256: hash.digest("hex") };
};

/** Copies a file (mode 600) and answers what was copied; it is on the disk when this resolves. */
export const copySynced = async (
  from: string,
  to: string,
  onCopied: (bytes: number) => void = () => undefined,
): Promise<FileDigest> => {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await open(to, "wx", 0o600);
  try {
    for await (const piece of createReadStream(from, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
      await file.writeFile(piece);
      hash.update(piece);
      bytes += piece.length;
      onCopied(piece.length);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest("hex") };
};

export const syncFile = async (path: string): Promise<void> => {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
};
