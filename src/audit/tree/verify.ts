/** Whether a log is what its signed heads say, from its events alone. Memory does not grow with the log. */
import type { KeyObject } from "node:crypto";
import { canonicalOf, isLeaf } from "../canonical.js";
import { emptyRoot, growTree, leafHash } from "../merkle.js";
import { differing, hashesOf, shortBy, type Evidence } from "./evidence.js";
import type { Finding, Place } from "./finding.js";
import { createKeyChains } from "./key-chain.js";
import { locate, type EventOrBad } from "./locate.js";
import { upcomingHeads, wrongHead, type HeadsInput } from "./upcoming-heads.js";

/** `hashes`: of the leaves as they were when they were written. Believed as far as a signed root is theirs. */
export type VerifyInput = HeadsInput &
  Evidence & {
    /**
     * The keys that are trusted, each with all that it is linked to; else the first one that the log names is, which
     * proves nothing of who wrote it.
     */
    readonly trusted?: readonly KeyObject[];
    /** Where the log ends now: a server may have gone on meanwhile. Asked for with `hashes` alone. */
    readonly end?: () => Promise<number>;
    readonly onProgress?: (leaves: number) => void;
  };

export type Verified = {
  /** The first thing that is wrong; undefined when all that is signed is as it was signed. */
  readonly finding?: Finding;
  readonly leaves: number;
  readonly position: number;
  readonly heads: number;
  readonly witnessed: number;
  /** Up to here the log is signed. */
  readonly signed: { readonly size: number; readonly position: number };
  readonly keys: number;
  readonly keyId?: string;
  /** The newest head that a witness kept; how many of its events are missing, or how many came since. Unknown of a log that is wrong. */
  readonly witness?: { readonly size: number; readonly at: number; readonly missing: number; readonly since: number };
};

export const verifyLog = async (input: VerifyInput): Promise<Verified> => {
  const chains = createKeyChains();
  const heads = upcomingHeads(input, chains);
  const tree = growTree();
  let last = 0;
  let signed: Place & { readonly root?: string } = { size: 0, position: 0 };
  let counted = 0;
  let witnessed = 0;
  let finding: Finding | undefined;
  const isWell = (): boolean => finding === undefined;
  const found = (first: Finding): void => {
    finding ??= first;
  };

  let next = await heads.next();
  const checkHeads = async (): Promise<void> => {
    while (isWell() && next !== undefined && next.size <= tree.size()) {
      if (next.problem !== undefined) found(next.problem);
      else if (next.size < tree.size())
        found(wrongHead(next, `it is of ${next.size} leaves and comes after one of ${tree.size()}`));
      else if (tree.root().toString("hex") === next.root) {
        signed = { size: next.size, position: last, root: next.root };
        if (next.isWitness) witnessed += 1;
        else counted += 1;
      } else found(await differing(input, { from: signed, to: { size: next.size, position: last } }, next));
      if (isWell()) next = await heads.next();
    }
  };
  const take = async (event: EventOrBad): Promise<void> => {
    if ("bad" in event) {
      const position = (event.sinceSigned === true ? signed.position : event.after) + 1;
      found({ position, to: event.to, kind: "form", says: `after position ${position - 1}: ${event.bad}` });
      return;
    }
    // Which of the two lines was changed is not known.
    if (event.position <= last)
      found({
        position: signed.position + 1,
        to: Math.max(last + 1, event.position),
        kind: "order",
        says: `position ${event.position} comes after ${last}`,
      });
    last = event.position;
    if (!isLeaf(event.stream)) return;
    tree.push(leafHash(canonicalOf(event)));
    if (next !== undefined && next.size <= tree.size()) await checkHeads();
  };

  await checkHeads();
  for await (const page of input.events()) {
    for (const event of page) {
      await take(event);
      if (!isWell()) break;
    }
    if (!isWell()) break;
    input.onProgress?.(tree.size());
  }
  if (isWell() && next !== undefined)
    found(next.problem ?? (await shortBy(input, next, { size: tree.size(), position: last }, signed)));
  if (isWell()) await checkTail();
  await heads.drain();
  const strange = input.trusted === undefined ? undefined : chains.firstUntrusted(input.trusted);
  if (strange !== undefined && strange.position <= (finding?.position ?? Infinity))
    finding = {
      ...{ position: strange.position, to: strange.position, kind: "key" },
      says: `from position ${strange.position} on heads are signed by ${strange.keyId}, which nothing links to ${input.trusted?.length === 1 ? "the key that is" : "the keys that are"} trusted`,
    };
  if (isWell() && counted + witnessed === 0 && tree.size() > 0)
    finding = { position: 1, to: last, kind: "unsigned", says: "no head is signed: nothing can be said of this log" };
  const keyId = chains.inForce();
  return {
    ...(finding === undefined ? {} : { finding }),
    ...{
      leaves: tree.size(),
      position: last,
      heads: counted,
      witnessed,
      signed: { size: signed.size, position: signed.position },
      keys: chains.count(),
    },
    ...(keyId === undefined ? {} : { keyId }),
    ...(finding === undefined || finding.kind === "truncated" ? witnessOf(input, tree.size()) : {}),
  };

  /** What no head covers yet: only the hashes that were kept can tell. */
  async function checkTail(): Promise<void> {
    const { size, root = emptyRoot().toString("hex") } = signed;
    const hashes = await hashesOf(input.hashes, { size, root });
    const kept = await hashes?.checkpoint();
    if (hashes === undefined || kept === undefined) return;
    const end = (await input.end?.()) ?? Infinity;
    if (kept.position > Math.max(last, end)) {
      const says = `it ends at position ${last}, and the hashes that the server keeps are of events up to ${kept.position}`;
      found({ position: last + 1, to: kept.position, kind: "truncated", says });
      return;
    }
    const to = { size: Math.min(tree.size(), kept.size), position: last };
    const place = await locate(input.events, { from: signed, to }, hashes);
    if (place.exact)
      found({
        position: place.position,
        to: place.position,
        kind: "event",
        says: `${place.says}; no head covers it yet, the hashes that the server keeps do`,
      });
  }
};

const witnessOf = ({ witnessed = [] }: VerifyInput, leaves: number): Pick<Verified, "witness"> => {
  const newest = witnessed.at(-1);
  if (newest === undefined) return {};
  const { size, at } = newest;
  return { witness: { size, at, missing: Math.max(0, size - leaves), since: Math.max(0, leaves - size) } };
};
