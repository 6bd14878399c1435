/** How a data key lies in MongoDB: sealed with the master key, which is nowhere but in the processes' configuration. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

export const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;

/** A stored key cannot be opened. Nothing that asks again changes that: the configuration is wrong, or the database. */
export class WrongMasterKey extends Error {
  constructor(keyId: string, options?: ErrorOptions) {
    super(
      `the stored key ${keyId} cannot be opened: PARLEY_MASTER_KEY is not the one that this database's keys were wrapped with, or the stored key is damaged`,
      options,
    );
    this.name = "WrongMasterKey";
  }
}

/** @throws Error when it has not 32 bytes */
export const requireMasterKey = (masterKey: Buffer): Buffer => {
  if (masterKey.length !== keyBytes)
    throw new Error(`the master key (PARLEY_MASTER_KEY) has ${masterKey.length} bytes instead of ${keyBytes}`);
  return masterKey;
};

/** AES-256-GCM, bound to the id: initialisation vector (12 bytes, random), tag (16), the sealed key. */
export const wrap = (masterKey: Buffer, keyId: string, key: Buffer): Buffer => {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", masterKey, iv).setAAD(Buffer.from(keyId));
  const sealed = Buffer.concat([cipher.update(key), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
};

/** @throws WrongMasterKey */
export const unwrap = (masterKey: Buffer, keyId: string, wrapped: Uint8Array): Buffer => {
  try {
    const iv = wrapped.subarray(0, ivBytes);
    const decipher = createDecipheriv("aes-256-gcm", masterKey, iv, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(keyId)).setAuthTag(wrapped.subarray(ivBytes, ivBytes + tagBytes));
    const key = Buffer.concat([decipher.update(wrapped.subarray(ivBytes + tagBytes)), decipher.final()]);
    if (key.length !== keyBytes) throw new Error(`it has ${key.length} bytes`);
    return key;
  } catch (error) {
    throw new WrongMasterKey(keyId, { cause: error });
  }
};

/** Tells two wrappings apart without opening them: the vectors of no two are the same. */
export const markOf = (wrapped: Uint8Array): string => Buffer.from(wrapped.subarray(0, ivBytes)).toString("latin1");
