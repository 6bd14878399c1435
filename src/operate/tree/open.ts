import { existsSync } from "node:fs";
import { openTreeFileToRead } from "../../infra/tree-store/sqlite/schema.js";
import { filesOf } from "../../profiles/data-directory.js";
import type { TreeReads } from "../../projections/ports/tree-store.js";
import type { Closers } from "../../profiles/close-all.js";
import type { Target } from "../target.js";

/** The hashes that the server keeps; undefined where there are none, or their file is damaged. @throws (rejects) Error that names the engine */
export const openTreeReads = async (target: Target, closers: Closers): Promise<TreeReads | undefined> => {
  if (target.profile === "embedded") {
    const { tree } = filesOf(target.dir);
    if (!existsSync(tree)) return undefined;
    const reads = openTreeFileToRead(tree);
    if (reads !== undefined) closers.push(reads.close);
    return reads;
  }
  const { treeOfEngines } = await import("../open-engines.js");
  return treeOfEngines(target.config, closers);
};
