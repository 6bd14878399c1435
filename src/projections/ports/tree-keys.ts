import { createHash, createPublicKey, type KeyObject } from "node:crypto";

/** The private keys that heads of the tree are signed with (Ed25519). One is durable here before the log names it. */
export type TreeKeys = {
  /** Those that are here: the one in force, and one that may be about to take its place. */
  readonly candidates: (keyId: string) => Promise<readonly KeyObject[]>;
  /** The one to begin with, made if there is none. */
  readonly obtain: () => Promise<KeyObject>;
  /** One that is to take the place of the one in force. */
  readonly next: () => Promise<KeyObject>;
  /** The log has named it: where it waits as the next, it is the only one from now on. */
  readonly adopt: (keyId: string) => Promise<void>;
};

/** SHA-256 (hex) of the SubjectPublicKeyInfo: `openssl pkey -pubin -in FILE -outform DER | sha256sum` says the same. */
export const treeKeyId = (key: KeyObject): string => createHash("sha256").update(spkiOf(key)).digest("hex");

/** Of a private key its public one's. */
export const spkiOf = (key: KeyObject): Buffer =>
  (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "der" });
