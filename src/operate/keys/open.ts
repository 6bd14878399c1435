import { existsSync } from "node:fs";
import { openStoredSqliteKeys } from "../../infra/key-store/sqlite/stored-keys.js";
import type { StoredKeys } from "../../infra/key-store/stored-keys.js";
import { closeQuietly } from "../doctor/probe.js";
import { NotThere } from "../inspect/stores.js";
import { filesOf } from "../../profiles/data-directory.js";
import { masterKeysFor } from "../../profiles/master-key.js";
import type { Closers } from "../../profiles/close-all.js";
import type { Target } from "../target.js";

/** `write`: of a data directory whose lock the caller has. @throws (rejects) NotThere, WrongMasterKey, the engine's error */
export const openStoredKeys = async (target: Target, mode: "read" | "write"): Promise<StoredKeys> => {
  if (target.profile === "embedded") {
    const files = filesOf(target.dir);
    if (mode === "read" && !existsSync(files.keys))
      throw new NotThere(`There is no key file in ${target.dir}`, "Name the server's data directory with --data DIR");
    return openStoredSqliteKeys(files.keys, await masterKeysFor(files), mode);
  }
  const { openDatabase } = await import("../open-engines.js");
  const { storedMongoKeys } = await import("../../infra/key-store/mongodb/stored-keys.js");
  const closers: Closers = [];
  const { db } = await openDatabase(target.config, closers);
  return { ...storedMongoKeys(db, target.config.masterKeys), close: () => closeQuietly(closers) };
};
