import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { readOrCreateSecretFile } from "../secret-file.js";

const secretBytesMade = 32;

/**
 * The secret that tokens are signed with: the one given by PARLEY_TOKEN_SECRET, else the bytes of `dir/token.secret`
 * without trailing newline, made at first start. Two processes that start at once agree. Rejects when it is empty or
 * cannot be read; a short one is taken.
 */
export const loadOrCreateSecret = async (dir: string, given: Buffer | undefined): Promise<Buffer> => {
  if (given !== undefined) return checked(given, "PARLEY_TOKEN_SECRET");
  const path = join(dir, "token.secret");
  const made = () => randomBytes(secretBytesMade).toString("base64url");
  return checked(await readOrCreateSecretFile(path, made), path);
};

const checked = (secret: Buffer, source: string): Buffer => {
  if (secret.length > 0) return secret;
  throw new Error(`The token secret in ${source} is empty. Make one with: openssl rand -base64 32`);
};
