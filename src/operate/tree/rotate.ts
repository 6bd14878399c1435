import { randomUUID } from "node:crypto";
import { createTreeSigner } from "../../audit/tree/signer.js";
import type { TreeKeyAdded } from "../../domain/tree.events.js";
import { openTreeKeyFile } from "../../infra/tree-keys/file.js";
import type { Closers } from "../../profiles/close-all.js";
import { filesOf } from "../../profiles/data-directory.js";
import { operator, withLogOf } from "../access.js";
import { withServerOrLock } from "../admin.js";
import { closeQuietly } from "../doctor/probe.js";
import type { DistributedTarget, Target } from "../target.js";

export type Rotated = Pick<TreeKeyAdded, "keyId" | "replaces">;

/** Another key signs heads from now on. @throws (rejects) NotThere, ServerRefused, LogError, Error */
export const rotateTreeKey = (target: Target): Promise<Rotated> => {
  const by = operator();
  if (target.profile === "distributed") return rotateInEngines(target);
  const keys = openTreeKeyFile(filesOf(target.dir).treeKey);
  return withServerOrLock(target.dir, {
    running: (call) => call<Rotated>("tree.rotate-key", { by }),
    stopped: () =>
      withLogOf(target.dir, (log) =>
        createTreeSigner({ log, keys, clock: Date.now, ids: { uuid: randomUUID } }).rotate(by),
      ),
  });
};

const rotateInEngines = async ({ config }: DistributedTarget): Promise<Rotated> => {
  const { openLogOfEngines, treeKeysOfEngines } = await import("../open-engines.js");
  const closers: Closers = [];
  try {
    const log = await openLogOfEngines(config, closers);
    const keys = await treeKeysOfEngines(config, closers);
    return await createTreeSigner({ log, keys, clock: Date.now, ids: { uuid: randomUUID } }).rotate(operator());
  } finally {
    await closeQuietly(closers);
  }
};
