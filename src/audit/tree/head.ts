/** Signed heads of the tree and the keys that sign them: the exact texts, so that others can check them (docs/AUDIT.md). */
import { createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import type { TreeHeadSigned, TreeKeyAdded } from "../../domain/tree.events.js";

export type HeadText = Pick<TreeHeadSigned, "size" | "root" | "epoch" | "at" | "keyId" | "previous">;

/** What is signed of a head: lines of UTF-8, each with a newline at its end. */
export const headText = ({ size, root, epoch, at, keyId, previous }: HeadText): string =>
  [
    "parley tree head 1",
    `size ${size}`,
    `root ${root}`,
    `epoch ${epoch}`,
    `at ${at}`,
    `key ${keyId}`,
    ...(previous === undefined ? [] : [`previous ${previous.epoch} ${previous.size} ${previous.root}`]),
    "",
  ].join("\n");

/** What both keys sign when one takes the other's place. */
export const keyText = ({ keyId, replaces, at }: Pick<TreeKeyAdded, "keyId" | "replaces" | "at">): string =>
  ["parley tree key 1", `key ${keyId}`, `replaces ${replaces ?? "none"}`, `at ${at}`, ""].join("\n");

export const signText = (key: KeyObject, text: string): string => sign(null, Buffer.from(text), key).toString("base64");

export const verifyText = (key: KeyObject, text: string, signature: string): boolean =>
  verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"));

/** A public key in PEM or in base64 of its SubjectPublicKeyInfo; undefined for what is no Ed25519 key. */
export const publicKeyOf = (text: string): KeyObject | undefined => {
  try {
    const key = text.includes("-----BEGIN")
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" });
    return key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
};

export const publicPemOf = (key: KeyObject): string =>
  (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "pem" }).toString();

/** A head as witnesses and commands have it: what was signed, and the signature. */
export type ToldHead = HeadText & Pick<TreeHeadSigned, "signature">;

export const toldHead = ({ size, root, epoch, at, keyId, signature, previous }: TreeHeadSigned): ToldHead => ({
  ...{ size, root, epoch, at, keyId, signature },
  ...(previous === undefined ? {} : { previous }),
});
