import { createPrivateKey, type KeyObject } from "node:crypto";
import type { KeyStore } from "../../commands/ports.js";
import type { TreeKeys } from "../../projections/ports/tree-keys.js";

/** No data key has such a name: theirs begin with what they belong to. */
const nameOf = (number: number): string => `#tree.${number}`;
/** What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * The signing keys among the data keys, and wrapped as they are: a key of 32 random bytes is an Ed25519 key. They are
 * numbered, so that all processes begin with the same one.
 */
export const treeKeysIn = (keys: Pick<KeyStore, "find" | "obtain">): TreeKeys => {
  const all = async (): Promise<KeyObject[]> => {
    const found: KeyObject[] = [];
    for (;;) {
      const bytes = await keys.find(nameOf(found.length + 1));
      if (bytes === undefined) return found;
      found.push(keyFrom(bytes));
    }
  };
  const numbered = async (number: number): Promise<KeyObject> => keyFrom(await keys.obtain(nameOf(number)));
  return {
    candidates: all,
    obtain: () => numbered(1),
    next: async () => numbered((await all()).length + 1),
    adopt: () => Promise.resolve(),
  };
};

const keyFrom = (bytes: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([pkcs8Prefix, bytes]), format: "der", type: "pkcs8" });
