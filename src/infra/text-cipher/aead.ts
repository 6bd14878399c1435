import { randomFillSync } from "node:crypto";
import type { TextCipher } from "../../commands/ports.js";

/** What is asked of a build of libsodium: XChaCha20-Poly1305 (IETF), on bytes. */
export type Aead = {
  /** Writes the ciphertext and its tag into `sealed`, 16 bytes longer than `plain`. Both may begin at the same byte. */
  readonly encrypt: (sealed: Buffer, plain: Buffer, context: Buffer, nonce: Buffer, key: Buffer) => void;
  /** The way back. @throws Error when it is not what was sealed with that nonce and key in that context */
  readonly decrypt: (plain: Buffer, sealed: Buffer, context: Buffer, nonce: Buffer, key: Buffer) => void;
};

const nonceBytes = 24;
const tagBytes = 16;
const overheadBytes = nonceBytes + tagBytes;

/** A text of 5,000 characters fits, whatever they are. What is longer gets a buffer of its own. */
const keptBytes = 16 * 1024;
/** The longest context is an emoji's: three ids, of which a user's has up to 128 characters. */
const keptContextBytes = 512;
const noncesAtOnce = 512;
/** UTF-8 has no more for one unit of UTF-16. */
const utf8BytesPerUnitMax = 3;

/**
 * `data` is base64 of the nonce, the ciphertext and the tag. Buffers are kept from call to call, which nothing interrupts:
 * one that is made for each text costs as much as sealing does. A text is sealed in its place, and wiped where it was
 * opened: none stays behind in a buffer that lives as long as the process.
 */
export const createTextCipher = (aead: Aead): TextCipher => {
  const kept = Buffer.allocUnsafeSlow(keptBytes);
  const keptContext = Buffer.allocUnsafeSlow(keptContextBytes);
  const writeNonce = createNonces();
  const bytesOf = (context: string): Buffer =>
    context.length > keptContextBytes
      ? Buffer.from(context, "latin1")
      : keptContext.subarray(0, keptContext.write(context, "latin1"));

  return {
    seal: (key, context, text) => {
      const fits = text.length * utf8BytesPerUnitMax + overheadBytes <= keptBytes;
      const bytes = fits ? kept : Buffer.allocUnsafeSlow(Buffer.byteLength(text) + overheadBytes);
      writeNonce(bytes);
      const tagAt = nonceBytes + bytes.write(text, nonceBytes);
      const end = tagAt + tagBytes;
      const [sealed, plain] = [bytes.subarray(nonceBytes, end), bytes.subarray(nonceBytes, tagAt)];
      try {
        aead.encrypt(sealed, plain, bytesOf(context), bytes.subarray(0, nonceBytes), key);
      } catch (error) {
        plain.fill(0);
        throw error;
      }
      return bytes.toString("base64", 0, end);
    },
    open: (key, context, data) => {
      // Base64 is longer than what it says.
      const bytes = data.length <= keptBytes ? kept : Buffer.allocUnsafeSlow(data.length);
      const end = bytes.write(data, "base64");
      if (end < overheadBytes) throw new Error(`${end} bytes are too few for a sealed text`);
      const plain = bytes.subarray(nonceBytes, end - tagBytes);
      aead.decrypt(plain, bytes.subarray(nonceBytes, end), bytesOf(context), bytes.subarray(0, nonceBytes), key);
      const text = plain.toString();
      plain.fill(0);
      return text;
    },
  };
};

/**
 * Random nonces, drawn many at a time: a call into the generator for each costs more than sealing. Each is left behind
 * before it is used, so that not even a failure brings one a second time. 24 random bytes need no count of what a key
 * has sealed: among 2^80 texts two that are the same are not to be expected.
 */
const createNonces = (): ((into: Buffer) => void) => {
  const drawn = Buffer.allocUnsafeSlow(nonceBytes * noncesAtOnce);
  let at = drawn.length;
  return (into) => {
    if (at === drawn.length) {
      randomFillSync(drawn);
      at = 0;
    }
    const from = at;
    at += nonceBytes;
    drawn.copy(into, 0, from, at);
  };
};
