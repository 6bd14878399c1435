import { createCipheriv, createDecipheriv, createHmac, randomBytes, randomFillSync } from "node:crypto";
import type { Sealed } from "../domain/conversation/conversation.events.js";
import type { KeyStore } from "./ports.js";

/**
 * Content is sealed before it enters the log, because a log cannot be rewritten later: whoever destroys a data key has
 * destroyed the content everywhere. AES-256-GCM, a data key per user and month, the message's id as associated data, so
 * that sealed content cannot be passed off as another message's.
 */
export type Sealing = {
  /** Makes the key first where there is none: only then a promise. */
  readonly seal: (messageId: string, owner: string, at: number, text: string) => Sealed | Promise<Sealed>;
  /** A keyed digest of the content: the same for the same content, owner and month, and telling nothing without the key. */
  readonly digest: (messageId: string, owner: string, at: number, text: string) => Promise<string>;
  /** Only from memory: what this process sealed a moment ago, once, or what a key in memory opens. @throws as `open` */
  readonly openNow: (messageId: string, sealed: Sealed) => string | undefined;
  /** Null when the key is gone. @throws (rejects) ContentDamaged, or what the key store says. */
  readonly open: (messageId: string, sealed: Sealed) => Promise<string | null>;
};

/** What the log has is not what was sealed for this message with this key: one of the two was changed. */
export class ContentDamaged extends Error {
  constructor(
    readonly messageId: string,
    readonly keyId: string,
    cause: unknown,
  ) {
    super(`the content of message ${messageId} does not open with key ${keyId}: the log or the key was changed`, {
      cause,
    });
  }
}

const nonceBytes = 12;
const tagBytes = 16;
/** Base64 of the nonce: what names a sealed text in memory. */
const nonceChars = 16;
/** Characters of plaintext kept from sealing to delivery, a matter of milliseconds. */
const plaintextCharsMax = 16 * 1024 * 1024;

/** Characters of an incarnation are four for three of these: two that are the same are not to be expected. */
const incarnationBytes = 9;
/** Kept as a key among the keys; no user id begins like this. */
const incarnationId = "#incarnation";

/**
 * What the ids of all keys end with that this store makes: drawn with the store, kept in it and gone with it. So what is
 * sealed after a loss never has the names of what was sealed before, and the two can be brought together again.
 */
export const incarnationOf = async (keys: Pick<KeyStore, "obtain">): Promise<string> =>
  (await keys.obtain(incarnationId)).subarray(0, incarnationBytes).toString("base64url");

/** For a store that has lost keys of its own incarnation, as one of an old backup has. */
export const freshIncarnation = (): string => randomBytes(incarnationBytes).toString("base64url");

/** `incarnation`: of the keys that are made; undefined writes content as it is. */
export const sealingWith = (keys: KeyStore, incarnation: string | undefined): Sealing => {
  const plaintexts = createPlaintexts();
  const nextNonce = noncePool();

  const sealWith = (key: Buffer, keyId: string, messageId: string, text: string): Sealed => {
    const nonce = nextNonce();
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(messageId, "latin1"));
    const head = cipher.update(text, "utf8");
    const tail = cipher.final();
    const data = Buffer.concat([nonce, head, tail, cipher.getAuthTag()]).toString("base64");
    plaintexts.keep(data.slice(0, nonceChars), text);
    return { alg: "A256GCM", keyId, data };
  };

  return {
    openNow: (messageId, sealed) => {
      if (sealed.alg === "none") return sealed.data;
      const known = plaintexts.take(sealed.data.slice(0, nonceChars));
      if (known !== undefined) return known;
      const key = keys.cached(sealed.keyId);
      return key && openWith(key, messageId, sealed);
    },
    seal: (messageId, owner, at, text) => {
      if (incarnation === undefined) return unsealed(text);
      const keyId = keyIdOf(owner, at, incarnation);
      const key = keys.cached(keyId);
      if (key !== undefined) return sealWith(key, keyId, messageId, text);
      return keys.obtain(keyId).then((made) => sealWith(made, keyId, messageId, text));
    },
    digest: async (messageId, owner, at, text) => {
      const key = incarnation === undefined ? messageId : await keys.obtain(keyIdOf(owner, at, incarnation));
      return createHmac("sha256", key).update(messageId).update(text).digest("base64url");
    },
    open: openingWith(keys),
  };
};

/** For those who only read. */
export const openingWith =
  (keys: Pick<KeyStore, "cached" | "find">): Sealing["open"] =>
  async (messageId, sealed) => {
    if (sealed.alg === "none") return sealed.data;
    const key = keys.cached(sealed.keyId) ?? (await keys.find(sealed.keyId));
    return key === undefined ? null : openWith(key, messageId, sealed);
  };

/** End-to-end encrypted content, and all content where sealing is switched off. */
export const unsealed = (text: string): Sealed => ({ alg: "none", keyId: "", data: text });

/**
 * Texts between sealing and delivery. Most are taken within milliseconds, so they die young and cost the collector
 * nothing; what nobody takes (a command that was refused) leaves in the order of arrival.
 */
const createPlaintexts = () => {
  const texts = new Map<string, string>();
  let chars = 0;
  const take = (nonce: string): string | undefined => {
    const text = texts.get(nonce);
    if (text === undefined) return undefined;
    texts.delete(nonce);
    chars -= text.length;
    return text;
  };
  return {
    take,
    keep: (nonce: string, text: string): void => {
      texts.set(nonce, text);
      chars += text.length;
      for (const oldest of texts.keys()) {
        if (chars <= plaintextCharsMax) break;
        take(oldest);
      }
    },
  };
};

/**
 * Sealing for those who show what they can: damaged content is as if its key were gone, so that one message does not take
 * the page that it is on with it, nor the retry of its sender. `onDamaged` is told every time.
 */
export const goneWhenDamaged = (sealing: Sealing, onDamaged: (error: ContentDamaged) => void): Sealing => {
  return {
    ...sealing,
    openNow: (messageId, sealed) => {
      try {
        return sealing.openNow(messageId, sealed);
      } catch (error) {
        // Told by `open`, which is asked next.
        if (!(error instanceof ContentDamaged)) throw error;
        return undefined;
      }
    },
    open: async (messageId, sealed) => {
      try {
        return await sealing.open(messageId, sealed);
      } catch (error) {
        if (!(error instanceof ContentDamaged)) throw error;
        onDamaged(error);
        return null;
      }
    },
  };
};

/** A slash is in no user id. Logs of before have ids without an incarnation: an id is only looked up, never taken apart. */
const keyIdOf = (owner: string, at: number, incarnation: string): string => `${owner}/${monthOf(at)}/${incarnation}`;

const dayMs = 86_400_000;
let today = { day: -1, month: "" };
/** `2026-11`. Formatting a date for each message would cost 1 µs, so it is done once a day. */
const monthOf = (at: number): string => {
  const day = Math.floor(at / dayMs);
  if (day !== today.day) today = { day, month: new Date(at).toISOString().slice(0, 7) };
  return today.month;
};

const openWith = (key: Buffer, messageId: string, { keyId, data }: Sealed): string => {
  const bytes = Buffer.from(data, "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes));
    decipher.setAAD(Buffer.from(messageId, "latin1")).setAuthTag(bytes.subarray(bytes.length - tagBytes));
    const head = decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes));
    return Buffer.concat([head, decipher.final()]).toString("utf8");
  } catch (error) {
    throw new ContentDamaged(messageId, keyId, error);
  }
};

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
