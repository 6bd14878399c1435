import { randomBytes } from "node:crypto";
import { link, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../lib/sync-directory.js";
import { makeDirectories } from "./make-directories.js";

/** The bytes of a file without a trailing newline; undefined when it is not there. */
export const readSecretFile = async (path: string): Promise<Buffer | undefined> => {
  try {
    return withoutNewline(await readFile(path));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
};

/**
 * What the file says, made (mode 600) with `made` if it is not there. Two processes that start at once agree. Made whole
 * and durable under another name, then linked: the file appears complete, and only the first one does.
 */
export const readOrCreateSecretFile = async (path: string, made: () => string): Promise<Buffer> => {
  const known = await readSecretFile(path);
  if (known !== undefined) return known;
  makeDirectories(dirname(path));
  const draft = await drafted(path, made());
  try {
    await link(draft, path).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  await syncDirectory(dirname(path));
  return withoutNewline(await readFile(path));
};

/** Puts another text (mode 600) in a file's place, durable when this resolves: the one or the other is there, always whole. */
export const replaceSecretFile = async (path: string, text: string): Promise<void> => {
  await rename(await drafted(path, text), path);
  await syncDirectory(dirname(path));
};

const drafted = async (path: string, text: string): Promise<string> => {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
};

const withoutNewline = (bytes: Buffer): Buffer => {
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? -2 : -1) : bytes.length;
  return bytes.subarray(0, end);
};

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
