/** What a verifier brings along from outside: keys that are trusted, heads that a witness kept. */
import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { publicKeyOf, type ToldHead } from "../../audit/tree/head.js";
import { t } from "../../domain/kernel/fp.js";
import { reasonOf } from "../../lib/errors.js";
import { treeHeadSignedCodec } from "../../domain/tree.events.js";

/** What is asked for cannot be checked as it is. */
export class CannotVerify extends Error {}

/** @throws (rejects) CannotVerify */
export const readTrustedKey = async (file: string): Promise<KeyObject> => {
  const key = publicKeyOf(await textIn(file, "the public key"));
  if (key === undefined)
    throw new CannotVerify(
      `${file} holds no Ed25519 public key in PEM: parley audit head --public-key FILE writes one; with openssl, openssl pkey -in tree.key -pubout`,
    );
  return key;
};

const headCodec = t.intersection([treeHeadSignedCodec, t.type({ at: t.number })]);

/**
 * The heads in a file, by size: a JSON text a line, as witnesses have them, or one over several lines, as
 * `parley audit head --json` prints it. A head a minute is some 200 MB a year: they are all in memory.
 * @throws (rejects) CannotVerify
 */
export const readWitnessedHeads = async (file: string): Promise<readonly ToldHead[]> => {
  const text = await textIn(file, "the witness's heads");
  const whole = parsed(text);
  const found = headCodec.is(whole) ? [whole] : headsInLines(file, text);
  if (found.length === 0)
    throw new CannotVerify(`${file} holds no head: name a witness's file, or what parley audit head --json printed`);
  return found.toSorted((a, b) => a.size - b.size);
};

const textIn = async (file: string, what: string): Promise<string> => {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CannotVerify(`${what} cannot be read from ${file}: ${reasonOf(error)}`, { cause: error });
  }
};

const headsInLines = (file: string, text: string): readonly ToldHead[] => {
  const heads = new Map<string, ToldHead>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const head = parsed(line);
    if (!headCodec.is(head)) throw new CannotVerify(`${file}: line ${index + 1} is no head`);
    heads.set(line, head);
  }
  return [...heads.values()];
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
