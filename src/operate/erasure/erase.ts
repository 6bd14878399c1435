import { randomUUID } from "node:crypto";
import type { Survey } from "../../audit/erasure/survey.js";
export { textsIn, type Survey } from "../../audit/erasure/survey.js";
export type { Told } from "./engines.js";
import { eraseUserIn } from "../../commands/erase.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { openSqliteKeyStore } from "../../infra/key-store/sqlite/key-store.js";
import { closeAll, type Closers } from "../../profiles/close-all.js";
import { filesOf } from "../../profiles/data-directory.js";
import { checkIn, erasingIn, refuseHeldIn } from "../../profiles/erasure/embedded.js";
import { eraseUser, surveyOf, type Erased, type Erasure } from "../../profiles/erasure/erase.js";
import { masterKeysFor } from "../../profiles/master-key.js";
import { operator, withLogOf } from "../access.js";
import { withServerOrLock, type OnProgress } from "../admin.js";
import { openToRead } from "../open.js";
import type { Target } from "../target.js";
import type { Told } from "./engines.js";

/** What would be erased. Nothing is changed. @throws (rejects) ErasureRefused, NotThere */
export const surveyUser = async (target: Target, userId: UserId, onProgress: OnProgress): Promise<Survey> => {
  const { log, close } = await openToRead(target);
  try {
    await checkIn(log)(userId);
    await refuseHeldIn(log)(userId);
    return await surveyOf(log, userId, onProgress);
  } finally {
    await close();
  }
};

/**
 * Erases a user: of a data directory through the server that has it, else under its lock; of the engines beside whatever
 * runs. Repeatable: what a crash left is done. @throws (rejects) ErasureRefused or ServerRefused, NotThere
 */
export const eraseUserOf = async (
  target: Target,
  { userId, reason }: { readonly userId: UserId; readonly reason: string },
  onProgress: OnProgress,
): Promise<Erased & { readonly told?: Told }> => {
  const erasure = { userId, reason, by: operator() };
  if (target.profile === "embedded") return eraseInDirectory(target.dir, erasure, onProgress);
  const { eraseInEngines } = await import("./engines.js");
  return eraseInEngines(target.config, erasure, onProgress);
};

const eraseInDirectory = (dir: string, erasure: Erasure, onProgress: OnProgress): Promise<Erased> =>
  withServerOrLock(dir, {
    running: (call) => call<Erased>("user.erase", erasure, onProgress),
    stopped: () =>
      withLogOf(dir, async (log) => {
        const files = filesOf(dir);
        const closers: Closers = [];
        try {
          const keys = await openSqliteKeyStore(files.keys, await masterKeysFor(files));
          closers.push(keys.close);
          const append = eraseUserIn(log, Date.now, { uuid: randomUUID });
          return await eraseUser(erasingIn(dir, files, { log, keys, append }), erasure, onProgress);
        } finally {
          await closeAll(closers);
        }
      }),
  });
