import { randomBytes } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectories } from "../make-directories.js";

const secretBytesMade = 32;

/**
 * The secret that tokens are signed with: the one given by PARLEY_TOKEN_SECRET, else the bytes of `dir/token.secret`
 * without trailing newline, made at first start. Two processes that start at once agree. Rejects when it is empty or
 * cannot be read; a short one is taken.
 */
export const loadOrCreateSecret = async (dir: string, given: Buffer | undefined): Promise<Buffer> => {
  if (given !== undefined) return checked(given, "PARLEY_TOKEN_SECRET");
  const path = join(dir, "token.secret");
  return checked(withoutNewline((await readIfThere(path)) ?? (await create(dir, path))), path);
};

const checked = (secret: Buffer, source: string): Buffer => {
  if (secret.length > 0) return secret;
  throw new Error(`The token secret in ${source} is empty. Make one with: openssl rand -base64 32`);
};

const withoutNewline = (bytes: Buffer): Buffer => {
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? -2 : -1) : bytes.length;
  return bytes.subarray(0, end);
};

const readIfThere = async (path: string): Promise<Buffer | undefined> => {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
};

/** Written whole and durable under another name, then linked: the file appears complete, and only the first one does. */
const create = async (dir: string, path: string): Promise<Buffer> => {
  makeDirectories(dir);
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(`${randomBytes(secretBytesMade).toString("base64url")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path);
};

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
