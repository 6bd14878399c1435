/** Appends signed heads to `parley-tree`, and the keys that sign them. */
import type { KeyObject } from "node:crypto";
import type { Clock, EventLog, Ids } from "../../commands/ports.js";
import { encodeEvent } from "../../domain/catalogue.js";
import { bySystem, type By } from "../../domain/kernel/by.js";
import { streamOf, type ExpectedRevision } from "../../domain/kernel/stream.js";
import type { TreeEvent, TreeHeadSigned, TreeKeyAdded } from "../../domain/tree.events.js";
import { headText, keyText, signText } from "./head.js";
import { treeEventsBackwards } from "./stream.js";
import { spkiOf, treeKeyId, type TreeKeys } from "../../projections/ports/tree-keys.js";
import type { Hash } from "../merkle.js";

export type SignerOptions = {
  readonly log: Pick<EventLog, "append" | "readStream">;
  readonly keys: TreeKeys;
  readonly clock: Clock;
  readonly ids: Ids;
  /** A new key signs from now on: the one in force is not here, and nothing links the two. */
  readonly onLostKey?: (lost: string, next: string) => void;
};

/** What `parley-tree` ends with. */
export type TreeStanding = {
  readonly expected: ExpectedRevision;
  /** The key in force. */
  readonly keyId?: string;
  readonly head?: TreeHeadSigned;
  /** Of the newest event, epoch milliseconds; 0 for none. */
  readonly at: number;
};

/** Others may sign as well (a projector that takes over): then what they wrote is looked at and decided on again. */
const triesMax = 5;
/** A head is among the newest events, unless keys replaced each other many times without one. */
const pageEvents = 20;

/** @throws UnreadableEvent */
export const readTreeStanding = async (log: Pick<EventLog, "readStream">): Promise<TreeStanding> => {
  let last: Omit<TreeStanding, "head"> | undefined;
  for await (const { recorded, event } of treeEventsBackwards(log, pageEvents)) {
    last ??= { expected: recorded.revision, keyId: event.keyId, at: event.at };
    if (event.type === "TreeHeadSigned") return { ...last, head: event };
  }
  return last ?? { expected: "no_stream", at: 0 };
};

export const createTreeSigner = (options: SignerOptions) => {
  const { log, keys, clock, ids, onLostKey } = options;
  const keyOf = async (keyId: string): Promise<KeyObject | undefined> =>
    (await keys.candidates(keyId)).find((key) => treeKeyId(key) === keyId);
  const append = async (expected: ExpectedRevision, events: readonly TreeEvent[]): Promise<boolean> => {
    const commandId = ids.uuid();
    const encoded = events.map((event) => encodeEvent(event, { commandId, correlationId: commandId }));
    return (await log.append(streamOf.tree, expected, encoded)).kind !== "conflict";
  };
  const decided = async <A extends TreeEvent>(
    decide: (standing: TreeStanding, at: number) => Promise<{ events: readonly TreeEvent[]; answer: A | undefined }>,
  ): Promise<A | undefined> => {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const standing = await readTreeStanding(log);
      const { events, answer } = await decide(standing, Math.max(clock(), standing.at));
      if (events.length === 0 || (await append(standing.expected, events))) return answer;
    }
    throw new Error("others keep writing heads of the tree");
  };
  const added = (key: KeyObject, by: By, at: number, before: { keyId?: string; key?: KeyObject }): TreeKeyAdded => {
    const keyId = treeKeyId(key);
    const text = keyText({ keyId, at, ...(before.keyId === undefined ? {} : { replaces: before.keyId }) });
    return {
      ...{ type: "TreeKeyAdded", id: ids.uuid(), at, by, keyId },
      ...{ publicKey: spkiOf(key).toString("base64"), signature: signText(key, text) },
      ...(before.keyId === undefined ? {} : { replaces: before.keyId }),
      ...(before.key === undefined ? {} : { replacedSignature: signText(before.key, text) }),
    };
  };
  return {
    standing: () => readTreeStanding(log),
    /** Undefined when the log has a head of that size or beyond already. Rejects with LogError and what keeps the key. */
    sign: async ({
      size,
      root,
      epoch,
    }: {
      size: number;
      root: Hash;
      epoch: string;
    }): Promise<TreeHeadSigned | undefined> => {
      let lost: string | undefined;
      const answer = await decided<TreeHeadSigned>(async ({ keyId: inForce, head }, at) => {
        if (head?.epoch === epoch && head.size >= size) return { events: [], answer: undefined };
        const known = inForce === undefined ? undefined : await keyOf(inForce);
        const key = known ?? (await keys.obtain());
        const previous =
          head === undefined || head.epoch === epoch
            ? {}
            : { previous: { epoch: head.epoch, size: head.size, root: head.root } };
        const place = { size, root: root.toString("hex"), epoch, keyId: treeKeyId(key), ...previous };
        const signature = signText(key, headText({ ...place, at }));
        const signed: TreeHeadSigned = {
          ...{ type: "TreeHeadSigned", id: ids.uuid(), at, by: bySystem },
          ...{ ...place, signature },
        };
        // A key that the log names and nobody has any more was lost: the next one cannot show its consent.
        lost = known === undefined ? inForce : undefined;
        const news =
          known === undefined ? [added(key, bySystem, at, inForce === undefined ? {} : { keyId: inForce })] : [];
        return { events: [...news, signed], answer: signed };
      });
      if (lost !== undefined && answer !== undefined) onLostKey?.(lost, answer.keyId);
      return answer;
    },
    /** Another key signs from now on; each of the two signs the other. */
    rotate: async (by: By): Promise<TreeKeyAdded> => {
      // One that a rotation before left half done would be written over.
      const { keyId: named } = await readTreeStanding(log);
      if (named !== undefined) await keys.adopt(named);
      const key = await keys.next();
      const answer = await decided<TreeKeyAdded>(async ({ keyId: inForce }, at) => {
        const before = inForce === undefined ? await keys.obtain() : await keyOf(inForce);
        if (before === undefined)
          throw new Error(
            `the key in force, ${inForce ?? ""}, is not here: it cannot sign the one that replaces it. Put it back from its backup; without one the server's next head begins with a new key that nothing links to it`,
          );
        const first = inForce === undefined ? [added(before, by, at, {})] : [];
        const next = added(key, by, at, { keyId: treeKeyId(before), key: before });
        return { events: [...first, next], answer: next };
      });
      if (answer === undefined) throw new Error("no key was added");
      await keys.adopt(answer.keyId);
      return answer;
    },
  };
};

export type TreeSigner = ReturnType<typeof createTreeSigner>;
