/** How a data key lies in a store: sealed with a master key, which is kept apart from it. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

export const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;

/** The first one wraps; each of them opens, so that keys can be wrapped anew while all processes go on. */
export type MasterKeys = readonly [Buffer, ...Buffer[]];

/** A stored key cannot be opened. Nothing that asks again changes that: the configuration is wrong, or the store. */
export class WrongMasterKey extends Error {
  constructor(keyId: string, options?: ErrorOptions) {
    super(
      `the stored key ${keyId} cannot be opened: the master key (PARLEY_MASTER_KEY) is not the one that it was wrapped with, or the stored key is damaged`,
      options,
    );
    this.name = "WrongMasterKey";
  }
}

/** @throws Error when one of them has not 32 bytes */
export const requireMasterKeys = (masterKeys: MasterKeys): MasterKeys => {
  for (const { length } of masterKeys)
    if (length !== keyBytes)
      throw new Error(`the master key (PARLEY_MASTER_KEY) has ${length} bytes instead of ${keyBytes}`);
  return masterKeys;
};

/** AES-256-GCM, bound to the id: initialisation vector (12 bytes, random), tag (16), the sealed key. */
export const wrap = ([masterKey]: MasterKeys, keyId: string, key: Buffer): Buffer => {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", masterKey, iv).setAAD(Buffer.from(keyId));
  const sealed = Buffer.concat([cipher.update(key), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
};

/** @throws WrongMasterKey */
export const unwrap = (masterKeys: MasterKeys, keyId: string, wrapped: Uint8Array): Buffer => {
  const { key, cause } = opened(masterKeys, keyId, wrapped);
  if (key === undefined) throw new WrongMasterKey(keyId, { cause });
  return key;
};

/** Whether it is wrapped with the first of the master keys. @throws WrongMasterKey when none opens it */
export const isWrappedByFirst = (masterKeys: MasterKeys, keyId: string, wrapped: Uint8Array): boolean => {
  if (opened([masterKeys[0]], keyId, wrapped).key !== undefined) return true;
  unwrap(masterKeys, keyId, wrapped);
  return false;
};

const opened = (masterKeys: MasterKeys, keyId: string, wrapped: Uint8Array): { key?: Buffer; cause?: unknown } => {
  let cause: unknown;
  for (const masterKey of masterKeys) {
    try {
      return { key: openedWith(masterKey, keyId, wrapped) };
    } catch (error) {
      cause ??= error;
    }
  }
  return { cause };
};

const openedWith = (masterKey: Buffer, keyId: string, wrapped: Uint8Array): Buffer => {
  const iv = wrapped.subarray(0, ivBytes);
  const decipher = createDecipheriv("aes-256-gcm", masterKey, iv, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(keyId)).setAuthTag(wrapped.subarray(ivBytes, ivBytes + tagBytes));
  const key = Buffer.concat([decipher.update(wrapped.subarray(ivBytes + tagBytes)), decipher.final()]);
  if (key.length !== keyBytes) throw new Error(`it has ${key.length} bytes`);
  return key;
};

/** Tells two wrappings apart without opening them: the vectors of no two are the same. */
export const markOf = (wrapped: Uint8Array): string => Buffer.from(wrapped.subarray(0, ivBytes)).toString("latin1");
