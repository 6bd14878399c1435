import { createDecipheriv, createHmac } from "node:crypto";
import type { Sealed } from "../../domain/kernel/sealed.js";
import type { TextCipher } from "../ports.js";

/**
 * Opens a sealed text by the algorithm that it names. `context`: what it is authenticated with; ASCII, as ids are.
 *
 * @throws whatever the cipher says, when this is not what was sealed with that key as `context`
 */
export const openWith = (cipher: TextCipher, key: Buffer, context: string, { alg, data }: Sealed): string => {
  switch (alg) {
    case "XC20P":
      return cipher.open(key, context, data);
    case "A256GCM":
      return openAes(key, context, data);
    case "none":
      return data;
  }
};

const aesNonceBytes = 12;
const aesTagBytes = 16;

/** AES-256-GCM: what was sealed before there was libsodium. Nothing writes it any more. */
const openAes = (key: Buffer, context: string, data: string): string => {
  const bytes = Buffer.from(data, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, aesNonceBytes));
  decipher.setAAD(Buffer.from(context, "latin1")).setAuthTag(bytes.subarray(bytes.length - aesTagBytes));
  const head = decipher.update(bytes.subarray(aesNonceBytes, bytes.length - aesTagBytes));
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
