import type { KeyObject } from "node:crypto";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { rename } from "node:fs/promises";
import type { TreeKeys } from "../../projections/ports/tree-keys.js";
import { treeKeyId } from "../../projections/ports/tree-keys.js";
import { readOrCreateSecretFile, readSecretFile, replaceSecretFile } from "../secret-file.js";

/**
 * The signing key in a file (PKCS#8 in PEM, mode 600), made when a head is signed for the first time. One that is to take
 * its place waits in `path.next` until the log names it: whenever the process ends, the key in force is in one of the two.
 */
export const openTreeKeyFile = (path: string): TreeKeys => {
  const nextPath = `${path}.next`;
  const read = async (from: string): Promise<KeyObject | undefined> => {
    const pem = await readSecretFile(from);
    return pem && keyIn(from, pem);
  };
  return {
    candidates: async () => {
      const found = await Promise.all([read(path), read(nextPath)]);
      return found.filter((key) => key !== undefined);
    },
    obtain: async () =>
      keyIn(path, await readOrCreateSecretFile(path, () => pemOf(generateKeyPairSync("ed25519").privateKey))),
    next: async () => {
      const key = generateKeyPairSync("ed25519").privateKey;
      await replaceSecretFile(nextPath, pemOf(key));
      return key;
    },
    adopt: async (keyId) => {
      const next = await read(nextPath);
      if (next !== undefined && treeKeyId(next) === keyId) await rename(nextPath, path);
    },
  };
};

const pemOf = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString().trimEnd();

const keyIn = (path: string, pem: Buffer): KeyObject => {
  const refuse = (cause?: unknown): never => {
    throw new Error(
      `${path} holds no Ed25519 key in PEM: restore it from its backup; without one remove it, and a new key signs that nothing links to the old one`,
      { cause },
    );
  };
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === "ed25519" ? key : refuse();
  } catch (error) {
    return refuse(error);
  }
};
