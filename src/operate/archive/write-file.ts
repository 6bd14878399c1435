import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../../lib/sync-directory.js";

/** What a file has become. `sha256`: in hex. */
export type WrittenFile = { readonly bytes: number; readonly sha256: string };

/** So much is gathered before it is written. */
const writeBytesMin = 256 * 1024;

/**
 * Writes a file (mode 600: it is full of what people wrote) that is there whole, on the disk, or not at all.
 * @throws (rejects) Error when it is there already, or the disk does not take it
 */
export const writeFileOnce = async (path: string, chunks: AsyncIterable<string | Buffer>): Promise<WrittenFile> => {
  refuseExisting(path);
  const part = `${path}.part`;
  const file = await open(part, "w", 0o600);
  try {
    const written = await writeAll(file, chunks);
    await file.sync();
    await file.close();
    refuseExisting(path);
    await rename(part, path);
    await syncDirectory(dirname(path));
    return written;
  } catch (error) {
    await file.close();
    await rm(part, { force: true });
    throw error;
  }
};

/** @throws Error */
export const refuseExisting = (path: string): void => {
  if (existsSync(path)) throw new Error(`${path} is there already: name another file with --output, or move it away`);
};

const writeAll = async (file: FileHandle, chunks: AsyncIterable<string | Buffer>): Promise<WrittenFile> => {
  const hash = createHash("sha256");
  let bytes = 0;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const flush = async (): Promise<void> => {
    const block = Buffer.concat(waiting, waitingBytes);
    waiting = [];
    waitingBytes = 0;
    bytes += block.length;
    hash.update(block);
    await file.writeFile(block);
  };
  for await (const chunk of chunks) {
    const data = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    waiting.push(data);
    waitingBytes += data.length;
    if (waitingBytes >= writeBytesMin) await flush();
  }
  await flush();
  return { bytes, sha256: hash.digest("hex") };
};
