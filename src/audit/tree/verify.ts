/** Whether a log is what its signed heads say, from its events alone. Memory does not grow with the log. */
import type { KeyObject } from "node:crypto";
import { decodeEvent, UnreadableEvent } from "../../domain/catalogue.js";
import { streamOf, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { TreeEvent, TreeHeadSigned } from "../../domain/tree.events.js";
import type { TreeReads } from "../../projections/ports/tree-store.js";
import { canonicalOf, isLeaf } from "../canonical.js";
import { emptyRoot, growTree, leafHash } from "../merkle.js";
import { createKeyChains, type KeyChains } from "./key-chain.js";
import { verifyText, headText } from "./head.js";
import { locate, type EventOrBad, type Span } from "./locate.js";
import { rangeHash } from "./tiles.js";

export type VerifyInput = {
  /** All events of the log, in order; each call begins at the first. */
  readonly events: () => AsyncIterable<readonly EventOrBad[]>;
  /** The key that is trusted; else the first one that the log names is, which proves nothing of who wrote it. */
  readonly trusted?: KeyObject;
  /** Heads that somebody else kept, by size. */
  readonly witnessed?: readonly TreeHead[];
  /** Hashes of the leaves as they were when they were written. Believed as far as a signed root is theirs. */
  readonly hashes?: TreeReads;
  /** Where the log ends now: a server may have gone on meanwhile. Asked for with `hashes` alone. */
  readonly end?: () => Promise<number>;
  readonly onProgress?: (leaves: number) => void;
};
export type TreeHead = Pick<TreeHeadSigned, "size" | "root" | "epoch" | "at" | "keyId" | "signature" | "previous">;

export type Finding = {
  /** Of the first bad event, or of the first in the span that has it. */
  readonly position: number;
  /** The last of the span; the same where the event itself is known. */
  readonly to: number;
  readonly kind: "event" | "head" | "key" | "order" | "form" | "truncated" | "witness" | "unsigned";
  readonly says: string;
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
};

type Place = { readonly size: number; readonly position: number };

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
      found({
        position: event.after + 1,
        to: event.after + 1,
        kind: "form",
        says: `after position ${event.after}: ${event.bad}`,
      });
      return;
    }
    if (event.position <= last)
      found({
        position: event.position,
        to: event.position,
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
      says: `from position ${strange.position} on heads are signed by ${strange.keyId}, which nothing links to the key that is trusted`,
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

type Upcoming = TreeHead & { readonly position: number; readonly isWitness: boolean; readonly problem?: Finding };

const wrongHead = ({ position, isWitness }: Pick<Upcoming, "position" | "isWitness">, says: string): Finding => ({
  ...{ position, to: position },
  kind: isWitness ? "witness" : "head",
  says: isWitness ? `a witness's head: ${says}` : `the head at position ${position}: ${says}`,
});

/** The log's heads and the witnesses', by size: a reader of its own goes before the one that hashes. */
const upcomingHeads = ({ events, witnessed = [] }: VerifyInput, chains: KeyChains) => {
  const own = headsOf(events, chains);
  let ownNext: Upcoming | undefined;
  let ownEnded = false;
  let at = 0;
  const next = async (): Promise<Upcoming | undefined> => {
    if (ownNext === undefined && !ownEnded) {
      const read = await own.next();
      if (read.done === true) ownEnded = true;
      else ownNext = read.value;
    }
    const witness = witnessed[at];
    if (witness !== undefined && (ownNext === undefined || witness.size <= ownNext.size)) {
      at += 1;
      const key = chains.find(witness.keyId);
      const upcoming = { ...witness, position: 0, isWitness: true };
      if (key === undefined || verifyText(key, headText(witness), witness.signature)) return upcoming;
      return { ...upcoming, problem: wrongHead(upcoming, "its signature is not of what it says") };
    }
    const head = ownNext;
    ownNext = undefined;
    return head;
  };
  /** Reads the rest for the keys that it names. */
  const drain = async (): Promise<void> => {
    while (!ownEnded) ownEnded = (await own.next()).done === true;
  };
  return { next, drain };
};

async function* headsOf(events: VerifyInput["events"], chains: KeyChains): AsyncGenerator<Upcoming> {
  for await (const page of events())
    for (const event of page) {
      if ("bad" in event) continue;
      const problemAt = (kind: "head" | "key", says: string): Upcoming => ({
        ...{ size: 0, root: "", epoch: "", at: 0, keyId: "", signature: "", isWitness: false },
        position: event.position,
        problem: { position: event.position, to: event.position, kind, says },
      });
      if (event.stream === streamOf.tree) {
        const decoded = decodedOf(event);
        if (typeof decoded === "string") yield problemAt("head", decoded);
        else if (decoded.type === "TreeKeyAdded") {
          const wrong = chains.add(decoded, event.position);
          if (wrong !== undefined) yield problemAt("key", `the key at position ${event.position}: ${wrong}`);
        } else {
          const head = { ...decoded, position: event.position, isWitness: false };
          const wrong = chains.check(decoded);
          yield wrong === undefined ? head : { ...head, problem: wrongHead(head, wrong) };
        }
      }
    }
}

const decodedOf = (event: RecordedEvent): TreeEvent | string => {
  try {
    return decodeEvent(event) as TreeEvent;
  } catch (error) {
    if (!(error instanceof UnreadableEvent)) throw error;
    return error.message;
  }
};

const differing = async (input: VerifyInput, span: Span, head: Upcoming): Promise<Finding> => {
  const of = head.isWitness ? "the head that a witness kept" : `the head at position ${head.position}`;
  const kept = await hashesOf(input.hashes, head);
  const place = await locate(input.events, span, kept);
  return {
    ...{ position: place.position, to: place.to, kind: "event" },
    says: `${place.says}; ${of} signs another history of the first ${head.size} events`,
  };
};

/** Hashes that were kept are believed when the signed root is theirs. */
const hashesOf = async (hashes: TreeReads | undefined, { size, root }: Pick<TreeHead, "size" | "root">) => {
  if (hashes === undefined) return undefined;
  const found = await rangeHash(hashes, [0, size]).catch(() => undefined);
  return found?.toString("hex") === root ? hashes : undefined;
};

const shortBy = async (input: VerifyInput, head: Upcoming, end: Place, signed: Place): Promise<Finding> => {
  // An event that was taken out before makes the log too short as well.
  const kept = await hashesOf(input.hashes, head);
  if (kept !== undefined) {
    const { position, exact, says } = await locate(input.events, { from: signed, to: end }, kept);
    if (exact) return { position, to: position, kind: "event", says };
  }
  const lacking = `${head.size - end.size} of the ${head.size} events that it signs are missing`;
  if (!head.isWitness)
    return {
      ...{ position: signed.position + 1, to: head.position, kind: "event" },
      says: `before the head at position ${head.position} ${lacking}`,
    };
  return {
    ...{ position: end.position + 1, to: end.position + 1, kind: "truncated" },
    says: `it ends with ${end.size} events at position ${end.position}; of a head that a witness kept ${lacking}`,
  };
};
