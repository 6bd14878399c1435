import { createCipheriv, createDecipheriv, createHmac, randomFillSync } from "node:crypto";
import type { Sealed } from "../../domain/kernel/sealed.js";

const nonceBytes = 12;
const tagBytes = 16;
/** Base64 of the nonce. */
const nonceChars = 16;

/** AES-256-GCM. `context`: what the text is authenticated with; ASCII, as ids are. */
export const createCipher = () => {
  const nextNonce = noncePool();
  return (key: Buffer, keyId: string, context: string, text: string): Sealed => {
    const nonce = nextNonce();
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context, "latin1"));
    const head = cipher.update(text, "utf8");
    const tail = cipher.final();
    const data = Buffer.concat([nonce, head, tail, cipher.getAuthTag()]).toString("base64");
    return { alg: "A256GCM", keyId, data };
  };
};

/** What names a sealed text in memory. */
export const nonceOf = ({ data }: Sealed): string => data.slice(0, nonceChars);

/** @throws whatever node says, when this is not what was sealed with that key as `context` */
export const openWith = (key: Buffer, context: string, { data }: Sealed): string => {
  const bytes = Buffer.from(data, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes));
  decipher.setAAD(Buffer.from(context, "latin1")).setAuthTag(bytes.subarray(bytes.length - tagBytes));
  const head = decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes));
  return Buffer.concat([head, decipher.final()]).toString("utf8");
};

/**
 * Under a key that is derived from the data key, and serves digests alone: what seals is never used to compare. A NUL,
 * which no context holds, ends the context.
 */
export const digestWith = (key: Buffer | string, context: string, text: string): string =>
  createHmac("sha256", createHmac("sha256", key).update("parley/digest").digest())
    .update(context)
    .update("\0")
    .update(text)
    .digest("base64url");

/** Random nonces, drawn many at a time: a call into the generator for each costs more than the cipher's set-up. */
const noncePool = (): (() => Buffer) => {
  let pool = Buffer.alloc(0);
  return () => {
    if (pool.length === 0) pool = randomFillSync(Buffer.allocUnsafeSlow(nonceBytes * 512));
    const nonce = pool.subarray(0, nonceBytes);
    pool = pool.subarray(nonceBytes);
    return nonce;
  };
};
