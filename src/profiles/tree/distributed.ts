import { openTreeKeeper, type TreeKeeper } from "../../audit/tree/keeper.js";
import { createTreeSigner } from "../../audit/tree/signer.js";
import { treeKeysIn } from "../../infra/tree-keys/key-store.js";
import { openMongoTree } from "../../infra/tree-store/mongodb/tree-store.js";
import type { ProcessParts } from "../distributed-gateway.js";
import { ids } from "../serving.js";
import { keepTree, type KeptTree } from "./keeping.js";
import { observeTree, onLostKey, onTreeProblem } from "./observing.js";
import { startWitnesses } from "./witnesses.js";

export type DistributedTree = {
  /** The partitions that this process holds: who holds the first one keeps the tree. */
  readonly hold: (partitions: readonly number[]) => void;
  readonly stop: () => Promise<void>;
};

const keepersPartition = 0;

/**
 * The tree of the distributed profile, kept by one projector. Two for a moment are harmless: they write the same hashes,
 * and append a head at the revision that they have seen.
 */
export const startDistributedTree = (parts: ProcessParts): DistributedTree => {
  const { config, engines, logger, telemetry, onViewsProblem } = parts;
  const { log, keys, mongo, epoch } = engines;
  const store = openMongoTree(mongo.db, onViewsProblem);
  const signer = createTreeSigner({ log, keys: treeKeysIn(keys), clock: Date.now, ids, onLostKey: onLostKey(logger) });
  const witnesses = startWitnesses(config.tree, { logger, telemetry });
  const onProblem = onTreeProblem(telemetry, logger);
  let kept: KeptTree | undefined;
  observeTree(telemetry, {
    checkpoint: () => kept?.checkpoint(),
    signedSize: () => kept?.signedSize() ?? 0,
  });

  const keep = (): KeptTree => {
    // Another may have kept it meanwhile: what it wrote is read anew.
    let opened: TreeKeeper | undefined;
    const keeper = async (): Promise<TreeKeeper> => (opened ??= await openTreeKeeper({ source: log, store, epoch }));
    return keepTree({
      keeper: {
        catchUp: async () => (await keeper()).catchUp(),
        root: async (size) => (await (await keeper()).root(size)).toString("hex"),
        hasOthersSince: async (size) => (await keeper()).hasOthersSince(size),
      },
      ...{ signer, headEvents: config.tree.headEvents, headSeconds: config.tree.headSeconds },
      // One short read a second in the whole cell.
      mayHaveMore: () => true,
      ...{ onHead: witnesses.tell, onProblem, clock: Date.now },
    });
  };
  const end = async (): Promise<void> => {
    const ending = kept;
    kept = undefined;
    await ending?.stop();
  };
  return {
    hold: (partitions) => {
      if (!partitions.includes(keepersPartition)) void end();
      else kept ??= keep();
    },
    stop: async () => {
      await end();
      await witnesses.stop();
    },
  };
};
