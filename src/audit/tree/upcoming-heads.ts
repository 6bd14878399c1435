/** The heads that a log is to be held against, each with what is wrong with it by itself: keys, signatures, form. */
import { decodeEvent, UnreadableEvent } from "../../domain/catalogue.js";
import { streamOf, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { TreeEvent } from "../../domain/tree.events.js";
import type { Finding } from "./finding.js";
import { headText, verifyText, type ToldHead } from "./head.js";
import type { KeyChains } from "./key-chain.js";
import type { EventOrBad } from "./locate.js";

export type Upcoming = ToldHead & {
  readonly position: number;
  readonly isWitness: boolean;
  readonly problem?: Finding;
};

export type HeadsInput = {
  /** All events of the log, in order; each call begins at the first. */
  readonly events: Events;
  /** Heads that somebody else kept, by size. */
  readonly witnessed?: readonly ToldHead[];
};
type Events = () => AsyncIterable<readonly EventOrBad[]>;

export const wrongHead = (
  { position, isWitness }: Pick<Upcoming, "position" | "isWitness">,
  says: string,
): Finding => ({
  ...{ position, to: position },
  kind: isWitness ? "witness" : "head",
  says: isWitness ? `a witness's head: ${says}` : `the head at position ${position}: ${says}`,
});

/** The log's heads and the witnesses', by size: a reader of its own goes before the one that hashes. */
export const upcomingHeads = ({ events, witnessed = [] }: HeadsInput, chains: KeyChains) => {
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

async function* headsOf(events: Events, chains: KeyChains): AsyncGenerator<Upcoming> {
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
