import { t } from "./kernel/fp.js";
import type { EventContext } from "./kernel/decider.js";

/** Stored formats of `parley-tree`: what was signed of the tree over the log, and with which keys. */

const treePlaceCodec = t.type({ epoch: t.string, size: t.number, root: t.string });

/**
 * A signed head of the tree of the log's first `size` leaves; `root`: its RFC 9162 root hash (hex). `keyId`: SHA-256 (hex)
 * of the public key's SubjectPublicKeyInfo; `signature`: Ed25519 (base64) over a text that has the event's `at` as well
 * (docs/AUDIT.md). `previous`: in the first head of an incarnation of the log, the newest head of the incarnations before.
 */
export const treeHeadSignedCodec = t.intersection([
  t.type({ size: t.number, root: t.string, epoch: t.string, keyId: t.string, signature: t.string }),
  t.partial({ previous: treePlaceCodec }),
]);
export type TreeHeadSigned = { readonly type: "TreeHeadSigned" } & EventContext &
  Readonly<t.TypeOf<typeof treeHeadSignedCodec>>;

/**
 * From here on heads are signed with this key; `publicKey`: its SubjectPublicKeyInfo (base64), `signature`: its own.
 * `replaces`: the key before it, `replacedSignature`: that one's signature over the same text; it is missing when that key
 * was lost.
 */
export const treeKeyAddedCodec = t.intersection([
  t.type({ keyId: t.string, publicKey: t.string, signature: t.string }),
  t.partial({ replaces: t.string, replacedSignature: t.string }),
]);
export type TreeKeyAdded = { readonly type: "TreeKeyAdded" } & EventContext &
  Readonly<t.TypeOf<typeof treeKeyAddedCodec>>;

export type TreeEvent = TreeHeadSigned | TreeKeyAdded;
