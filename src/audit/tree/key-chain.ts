/** Which keys a trusted one vouches for: those that it replaced or that replaced it, each signed by the other. */
import type { KeyObject } from "node:crypto";
import { treeKeyId } from "../../projections/ports/tree-keys.js";
import type { TreeHeadSigned, TreeKeyAdded } from "../../domain/tree.events.js";
import { headText, keyText, publicKeyOf, verifyText } from "./head.js";

/** Keys that are linked by signatures both ways, and where the log names the first of them. */
type Chain = { readonly position: number; readonly keyIds: Set<string> };

export type KeyChains = {
  /** What is wrong with it; undefined for nothing. */
  readonly add: (event: TreeKeyAdded, position: number) => string | undefined;
  /** Whether it is signed by the key in force. What is wrong; undefined for nothing. */
  readonly check: (head: TreeHeadSigned) => string | undefined;
  /** The public key of an id that the log names. */
  readonly find: (keyId: string) => KeyObject | undefined;
  /** Where the log first names a key that nothing links to one of the trusted. */
  readonly firstUntrusted: (
    trusted: readonly KeyObject[],
  ) => { readonly position: number; readonly keyId: string } | undefined;
  readonly inForce: () => string | undefined;
  readonly count: () => number;
};

/** Rotations are few: a million of them would be a rotation a minute for two years. */
const keysMax = 1_000_000;

export const createKeyChains = (): KeyChains => {
  const keys = new Map<string, KeyObject>();
  const chains: Chain[] = [];
  let inForce: string | undefined;

  const add = (event: TreeKeyAdded, position: number): string | undefined => {
    const key = publicKeyOf(event.publicKey);
    if (key === undefined || treeKeyId(key) !== event.keyId) return "the public key in it is not the one that it names";
    if (!verifyText(key, keyText(event), event.signature)) return "it is not signed by the key that it adds";
    if (event.replaces !== inForce)
      return `it replaces ${event.replaces ?? "no key"}, and ${inForce ?? "no key"} was in force`;
    if (keys.size >= keysMax) return "there are more keys than anybody makes";
    const before = inForce === undefined ? undefined : keys.get(inForce);
    const isLinked =
      before !== undefined &&
      event.replacedSignature !== undefined &&
      verifyText(before, keyText(event), event.replacedSignature);
    if (event.replacedSignature !== undefined && !isLinked) return "the key that it replaces did not sign it";
    const chain = chains.at(-1);
    if (isLinked && chain !== undefined) chain.keyIds.add(event.keyId);
    else chains.push({ position, keyIds: new Set([event.keyId]) });
    keys.set(event.keyId, key);
    inForce = event.keyId;
    return undefined;
  };
  return {
    add,
    check: (head) => {
      const key = inForce === undefined ? undefined : keys.get(inForce);
      if (key === undefined) return "no key was named before it";
      if (head.keyId !== inForce) return `it is signed by ${head.keyId}, and ${inForce ?? ""} is in force`;
      return verifyText(key, headText(head), head.signature) ? undefined : "its signature is not of what it says";
    },
    find: (keyId) => keys.get(keyId),
    firstUntrusted: (trusted) => {
      const ids = trusted.map(treeKeyId);
      const strange = chains.find(({ keyIds }) => !ids.some((id) => keyIds.has(id)));
      const [keyId] = strange?.keyIds ?? [];
      return strange === undefined || keyId === undefined ? undefined : { position: strange.position, keyId };
    },
    inForce: () => inForce,
    count: () => keys.size,
  };
};
