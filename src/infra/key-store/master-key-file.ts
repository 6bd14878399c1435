import { randomBytes } from "node:crypto";
import { readOrCreateSecretFile, readSecretFile, replaceSecretFile } from "../secret-file.js";
import { keyBytes, type MasterKeys } from "./wrapping.js";

/**
 * `master.key`: 32 bytes in base64, a line each. The first one wraps, all of them open: while keys are wrapped anew the
 * one of before is there too, so that whatever a crash leaves can be opened.
 */
export const newMasterKey = (): Buffer => randomBytes(keyBytes);

/** Undefined when the file is not there. @throws Error for what is no such file */
export const readMasterKeyFile = async (path: string): Promise<MasterKeys | undefined> => {
  const bytes = await readSecretFile(path);
  return bytes === undefined ? undefined : keysIn(bytes.toString("latin1"), path);
};

export const readOrCreateMasterKeyFile = async (path: string): Promise<MasterKeys> =>
  keysIn((await readOrCreateSecretFile(path, () => textOf([newMasterKey()]))).toString("latin1"), path);

/** Durable when this resolves. */
export const replaceMasterKeyFile = (path: string, keys: MasterKeys): Promise<void> =>
  replaceSecretFile(path, textOf(keys));

const textOf = (keys: MasterKeys): string => keys.map((key) => key.toString("base64")).join("\n");

const keysIn = (text: string, path: string): MasterKeys => {
  const keys = masterKeysIn(text.split("\n"));
  if (keys === undefined)
    throw new Error(`${path} is no master key: it has 32 bytes in base64, a line each. Restore it from its backup`);
  return keys;
};

/** Undefined where one has not 32 bytes. */
export const masterKeysIn = (texts: readonly string[]): MasterKeys | undefined => {
  const [first, ...others] = texts.map((text) => Buffer.from(text.trim(), "base64"));
  if (first === undefined || [first, ...others].some(({ length }) => length !== keyBytes)) return undefined;
  return [first, ...others];
};
