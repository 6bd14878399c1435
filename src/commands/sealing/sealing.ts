import { createHmac } from "node:crypto";
import { unsealed, type Sealed, type SealedText } from "../../domain/kernel/sealed.js";
import type { UserId } from "../../domain/kernel/ids.js";
import type { KeyStore, TextCipher } from "../ports.js";
import { digestWith, openWith } from "./cipher.js";
import { createMonthNames, monthlyKeyIds, type DataKey, type Incarnations } from "./data-keys.js";
import { createLastingKeys } from "./lasting-keys.js";
import { takePlaintext, withPlaintext } from "./plaintext.js";

export { incarnationsOf, withAnother, type DataKey, type Incarnations } from "./data-keys.js";

/**
 * Personal text is sealed before it enters the log, because a log cannot be rewritten later: to destroy a data key is to
 * destroy everywhere what it sealed. XChaCha20-Poly1305, of before AES-256-GCM; the text's place is authenticated with it,
 * so that one sealed text cannot be passed off as another.
 */
export type Sealing = {
  /** Makes the key first where there is none: only then a promise. */
  readonly seal: (text: string, place: SealedPlace) => Sealed | Promise<Sealed>;
  /**
   * A keyed digest: the same for the same text, key and context, and telling nothing without the key. The context need
   * not be the one that the text is sealed as: what is to be compared has a common one.
   */
  readonly digest: (text: string, place: SealedPlace) => string | Promise<string>;
  /** `digest` for many texts, once there is the key. */
  readonly digester: (key: DataKey) => Digester | Promise<Digester>;
  /** Whether a key is in memory, so that what is asked of it is answered at once and makes none. */
  readonly isAtHand: (key: DataKey) => boolean;
  /** Sealed, with its digest beside it. An empty text says nothing and stands as it is. */
  readonly sealText: (text: string, place: SealedPlace) => SealedText | Promise<SealedText>;
  /**
   * Whether a digest is what versions before wrote beside an edit of this content: under the author's key of the month of
   * the edit. Which month that was stands nowhere: it is looked for in each of a time, the newest first. Makes no key, and
   * finds nothing under one that is gone.
   */
  readonly hadAsEdit: (digest: string, edit: EditOfBefore) => Promise<boolean>;
  /** Only from memory: what this process sealed a moment ago, once, or what a key in memory opens. @throws as `open` */
  readonly openNow: (context: string, sealed: Sealed) => string | undefined;
  /** Null when the key is gone. @throws (rejects) ContentDamaged, or what the key store says. */
  readonly open: (context: string, sealed: Sealed) => Promise<string | null>;
};

/** `content`: its JSON; `context`: the message's id. `from`, `to`: Unix milliseconds, in any order. */
export type EditOfBefore = {
  readonly content: string;
  readonly context: string;
  readonly userId: UserId;
  readonly from: number;
  readonly to: number;
};

/** What `Sealing.digest` would answer. */
export type Digester = (text: string, context: string) => string;

/** `context`: a message's id, for its content; else one of `sealedAs`. */
export type SealedPlace = { readonly key: DataKey; readonly context: string };

/** What the log has is not what was sealed in this place with this key: one of the two was changed. */
export class ContentDamaged extends Error {
  constructor(
    readonly context: string,
    readonly keyId: string,
    cause: unknown,
  ) {
    super(`what was sealed as ${context} does not open with key ${keyId}: the log or the key was changed`, { cause });
  }
}

/** `incarnations`: `incarnationsOf` the store; undefined writes texts as they are, with a digest that no key guards. */
export const sealingWith = (keys: KeyStore, incarnations: Incarnations | undefined, cipher: TextCipher): Sealing => {
  const incarnation = incarnations?.at(-1);
  const monthName = createMonthNames(incarnation ?? "");
  const lastingKeys = createLastingKeys(keys, incarnation ?? "", incarnations?.slice(0, -1) ?? []);

  const withKey = <A>(of: DataKey, use: (key: Buffer, keyId: string) => A): A | Promise<A> => {
    if (of.of !== "messages") {
      const found = lastingKeys.obtain(of);
      return found instanceof Promise ? found.then(({ key, keyId }) => use(key, keyId)) : use(found.key, found.keyId);
    }
    const keyId = monthName(of);
    const key = keys.cached(keyId);
    return key === undefined ? keys.obtain(keyId).then((made) => use(made, keyId)) : use(key, keyId);
  };
  const seal: Sealing["seal"] = (text, { key: of, context }) =>
    incarnation === undefined
      ? unsealed(text)
      : withKey(of, (key, keyId) => {
          const sealed: Sealed = { alg: "XC20P", keyId, data: cipher.seal(key, context, text) };
          // Names stay in states for long: they are opened, rather than to have their texts stay with them.
          return of.of === "messages" ? withPlaintext(sealed, text) : sealed;
        });
  const digester: Sealing["digester"] = (of) =>
    incarnation === undefined
      ? digestUnkeyed
      : withKey(
          of,
          (key): Digester =>
            (text, context) =>
              digestWith(key, context, text),
        );
  const digest: Sealing["digest"] = (text, { key, context }) => {
    const made = digester(key);
    return made instanceof Promise ? made.then((digested) => digested(text, context)) : made(text, context);
  };

  return {
    seal,
    digest,
    digester,
    isAtHand: (of) =>
      incarnation === undefined ||
      (of.of === "messages" ? keys.cached(monthName(of)) : lastingKeys.atHand(of)) !== undefined,
    sealText: (text, place) => {
      if (text === "") return unsealed(text);
      const sealed = seal(text, place);
      const digested = digest(text, place);
      return sealed instanceof Promise || typeof digested !== "string"
        ? Promise.all([sealed, digested]).then(([ready, of]) => ({ ...ready, digest: of }))
        : { ...sealed, digest: digested };
    },
    hadAsEdit: async (digest, { content, context, userId, from, to }) => {
      const isUnder = (key: Buffer | string) =>
        createHmac("sha256", key).update(context).update(content).digest("base64url") === digest;
      if (isUnder(context)) return true;
      for (const ids of monthlyKeyIds(userId, { from, to }, incarnations ?? [])) {
        const found = await Promise.all(ids.map((keyId) => keys.find(keyId)));
        if (found.some((key) => key !== undefined && isUnder(key))) return true;
      }
      return false;
    },
    openNow: (context, sealed) => {
      if (sealed.alg === "none") return sealed.data;
      const known = takePlaintext(sealed);
      if (known !== undefined) return known;
      const key = keys.cached(sealed.keyId);
      return key && opened(cipher, key, context, sealed);
    },
    open: openingWith(keys, cipher),
  };
};

/** What stands beside a text where sealing is off. */
export const digestUnkeyed: Digester = (text, context) => digestWith("", context, text);

/** For callers that only read. */
export const openingWith =
  (keys: Pick<KeyStore, "cached" | "find">, cipher: TextCipher): Sealing["open"] =>
  async (context, sealed) => {
    if (sealed.alg === "none") return sealed.data;
    const key = keys.cached(sealed.keyId) ?? (await keys.find(sealed.keyId));
    return key === undefined ? null : opened(cipher, key, context, sealed);
  };

/** @throws ContentDamaged */
const opened = (cipher: TextCipher, key: Buffer, context: string, sealed: Sealed): string => {
  try {
    return openWith(cipher, key, context, sealed);
  } catch (error) {
    throw new ContentDamaged(context, sealed.keyId, error);
  }
};

/**
 * Sealing for readers that show what they can: a damaged text is as if its key were gone, so that one message does not
 * take the page that it is on with it, nor the retry of its sender. `onDamaged` is told every time.
 */
export const goneWhenDamaged = (sealing: Sealing, onDamaged: (error: ContentDamaged) => void): Sealing => {
  return {
    ...sealing,
    openNow: (context, sealed) => {
      try {
        return sealing.openNow(context, sealed);
      } catch (error) {
        // Told by `open`, which is asked next.
        if (!(error instanceof ContentDamaged)) throw error;
        return undefined;
      }
    },
    open: async (context, sealed) => {
      try {
        return await sealing.open(context, sealed);
      } catch (error) {
        if (!(error instanceof ContentDamaged)) throw error;
        onDamaged(error);
        return null;
      }
    },
  };
};
