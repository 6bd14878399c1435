import type { DestroyingKeys, EventLog } from "../../commands/ports.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { holdsOfUser } from "../../commands/holds.js";
import { firstRevision, streamOf } from "../../domain/kernel/stream.js";
import { openTreeKeyFile } from "../../infra/tree-keys/file.js";
import { erasureLedgerOf } from "../../settings/erasure-ledger.js";
import type { filesOf } from "../data-directory.js";
import type { ErasingWith } from "./erase.js";
import { openLedgerFile } from "./ledger-file.js";
import { epochsOf } from "./lineage.js";

type Opened = {
  readonly log: ErasingWith["log"];
  readonly keys: DestroyingKeys;
  readonly append: ErasingWith["append"];
};

/** What an erasure needs, of a data directory. */
export const erasingIn = (
  dir: string,
  files: Pick<ReturnType<typeof filesOf>, "treeKey">,
  { log, keys, append }: Opened,
): ErasingWith => ({
  ...{ log, keys, append },
  check: checkIn(log),
  refuseHeld: refuseHeldIn(log),
  signingKey: openTreeKeyFile(files.treeKey).obtain,
  ledger: openLedgerFile(erasureLedgerOf(dir, process.env), () => epochsOf(log)),
  clock: Date.now,
});

/** Nothing is begun for a name that is misspelt. */
export const checkIn =
  (log: Pick<EventLog, "readStream">) =>
  async (userId: UserId): Promise<void> => {
    const [first] = await log.readStream(streamOf.user(userId), firstRevision, 1);
    if (first === undefined)
      throw new ErasureRefused("USER_NOT_FOUND", `Nobody of the id ${userId} was ever seen here.`);
  };

/**
 * A new erasure is refused while a case needs what the person wrote. Not one of the ledger, which a start does again: that
 * was done, and a backup's holds are of before.
 */
export const refuseHeldIn =
  (log: Pick<EventLog, "readStream">) =>
  async (userId: UserId): Promise<void> => {
    const holds = await holdsOfUser(log, userId, Date.now());
    if (holds.length === 0) return;
    const cases = holds.map(({ set }) => set.case).join(", ");
    throw new ErasureRefused("HELD", `${userId} is held by ${cases}: parley hold list says why and until when`);
  };

/** Why a user is not erased. */
export class ErasureRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ErasureRefused";
  }
}
