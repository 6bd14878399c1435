/** What `parley-tree` says: the newest head, the key in force, heads of a size. */
import type { EventLog } from "../../commands/ports.js";
import { publicKeyOf, publicPemOf, toldHead, type ToldHead } from "../../audit/tree/head.js";
import { treeEventsBackwards } from "../../audit/tree/stream.js";
import type { Target } from "../target.js";
import { openToRead } from "../open.js";
import type { TreeHeadSigned, TreeKeyAdded } from "../../domain/tree.events.js";

export type FoundHead = { readonly head: TreeHeadSigned; readonly position: number };

/** The newest head; of `size` leaves where that is asked for. */
export const findHead = async (log: Pick<EventLog, "readStream">, size?: number): Promise<FoundHead | undefined> => {
  for await (const { recorded, event } of treeEventsBackwards(log)) {
    if (event.type !== "TreeHeadSigned") continue;
    if (size === undefined || event.size === size) return { head: event, position: recorded.position };
    if (event.size < size) return undefined;
  }
  return undefined;
};

/** The event that named a key. */
export const findKey = async (log: Pick<EventLog, "readStream">, keyId: string): Promise<TreeKeyAdded | undefined> => {
  for await (const { event } of treeEventsBackwards(log))
    if (event.type === "TreeKeyAdded" && event.keyId === keyId) return event;
  return undefined;
};

export type ReadHead = ToldHead & {
  readonly position: number;
  /** PEM. */
  readonly publicKey: string;
};

/** The newest head and the key that checks it. @throws (rejects) NotThere, Error that says what to do */
export const readHead = async (target: Target): Promise<ReadHead> => {
  const { log, close } = await openToRead(target);
  try {
    const found = await findHead(log);
    if (found === undefined)
      throw new Error(
        "no head is signed yet: a server signs one within a minute after the first event (PARLEY_TREE_HEAD_SECONDS)",
      );
    const { head, position } = found;
    const key = publicKeyOf((await findKey(log, head.keyId))?.publicKey ?? "");
    if (key === undefined)
      throw new Error(`the log does not name the key ${head.keyId}: parley audit verify says what is wrong`);
    return { ...toldHead(head), position, publicKey: publicPemOf(key) };
  } finally {
    await close();
  }
};
