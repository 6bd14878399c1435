import { createCipheriv, randomBytes } from "node:crypto";
import { openTextCipher } from "../../src/infra/text-cipher/open.js";

/** As a process has it. */
export const { cipher: textCipher } = await openTextCipher();

/** As versions of before sealed a text: `data` of `A256GCM`. */
export const sealedByAes = (key: Buffer, context: string, text: string): string => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context, "latin1"));
  const sealed = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(sealed).toString("base64");
};
