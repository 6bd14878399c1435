/** Keeps the tree at the log's end and has heads signed when they are due, for as long as the process lives. */
import type { TreeHeadSigned } from "../../domain/tree.events.js";
import type { TreeSigner } from "../../audit/tree/signer.js";
import type { Grown } from "../../audit/tree/keeper.js";
import type { TreeCheckpoint } from "../../projections/ports/tree-store.js";
import type { TreeSettings } from "../../settings/tree.js";

export type KeepTreeOptions = Pick<TreeSettings, "headEvents" | "headSeconds"> & {
  readonly keeper: {
    readonly catchUp: () => Promise<Grown>;
    readonly root: (size: number) => Promise<string>;
    readonly hasOthersSince: (size: number) => Promise<boolean>;
  };
  readonly signer: Pick<TreeSigner, "standing" | "sign">;
  /** Whether the log may have more than the tree. Cheap: it is asked every second. */
  readonly mayHaveMore: (checkpoint: TreeCheckpoint | undefined) => boolean;
  /** Told of each head that this process has signed, and of the log's newest when it begins. Never waited for. */
  readonly onHead: (head: TreeHeadSigned) => void;
  /** It is tried again. Undefined: it goes on. */
  readonly onProblem: (error: unknown) => void;
  readonly clock: () => number;
  readonly everyMs?: number;
};

export type KeptTree = {
  readonly checkpoint: () => TreeCheckpoint | undefined;
  /** Of the newest head that is known here; 0 before there is one. */
  readonly signedSize: () => number;
  /** Waits for what is under way. */
  readonly stop: () => Promise<void>;
};

/** A log whose history is not what was signed is not signed again: the next head would say that all is well. */
export class NotWhatWasSigned extends Error {
  constructor({ size, root }: TreeHeadSigned, found: string) {
    super(
      `the log's first ${size} leaves have the root ${found}, and a head that was signed says ${root}: no head is signed any more. parley audit verify says where`,
    );
    this.name = "NotWhatWasSigned";
  }
}

type Signed = { readonly size: number; readonly at: number };

export const keepTree = (options: KeepTreeOptions): KeptTree => {
  const { keeper, signer, mayHaveMore, onHead, onProblem, headEvents, headSeconds, clock, everyMs = 1_000 } = options;
  let checkpoint: TreeCheckpoint | undefined;
  let signed: Signed | undefined;
  let isFirst = true;
  /** The keeper may have begun anew: it is asked where it is, also while nothing new comes. */
  let isInDoubt = false;
  /** Up to this size there is nothing that is worth a head. */
  let lookedAt = 0;
  let stopped = false;
  let working: Promise<void> | undefined;
  const begunAt = clock();

  const newest = async (size: number): Promise<Signed | undefined> => {
    const { head } = await signer.standing();
    if (head === undefined) return { size: 0, at: begunAt };
    // Before the tree has come there nothing can be said of it.
    if (head.size > size) return undefined;
    const root = await keeper.root(head.size);
    if (root !== head.root) throw new NotWhatWasSigned(head, root);
    if (isFirst) onHead(head);
    isFirst = false;
    return head;
  };
  const isDue = async ({ size, at }: Signed, now: number): Promise<boolean> => {
    if (now <= Math.max(size, lookedAt)) return false;
    if (now - size < headEvents && clock() - at < headSeconds * 1_000) return false;
    if (await keeper.hasOthersSince(size)) return true;
    lookedAt = now;
    return false;
  };
  const work = async (): Promise<void> => {
    while (!stopped && mayHaveMore(isInDoubt ? undefined : checkpoint)) {
      const grown = await keeper.catchUp();
      isInDoubt = false;
      ({ checkpoint } = grown);
      if (grown.isAtEnd) break;
    }
    if (stopped || checkpoint === undefined) return;
    const { size, epoch } = checkpoint;
    signed ??= await newest(size);
    if (signed === undefined || !(await isDue(signed, size))) return;
    const head = await signer.sign({ size, root: Buffer.from(await keeper.root(size), "hex"), epoch });
    signed = head;
    if (head !== undefined) onHead(head);
  };
  const tick = (): void => {
    working ??= work()
      .catch((error: unknown) => {
        signed = undefined;
        isInDoubt = true;
        onProblem(error);
      })
      .finally(() => (working = undefined));
  };
  const timer = setInterval(tick, everyMs);
  timer.unref();
  return {
    checkpoint: () => checkpoint,
    signedSize: () => signed?.size ?? 0,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await working;
    },
  };
};
