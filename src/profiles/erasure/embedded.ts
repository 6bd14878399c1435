import type { DestroyingKeys, EventLog } from "../../commands/ports.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { firstRevision, streamOf } from "../../domain/kernel/stream.js";
import { openTreeKeyFile } from "../../infra/tree-keys/file.js";
import { erasureLedgerOf } from "../../settings/erasure-ledger.js";
import type { filesOf } from "../data-directory.js";
import type { ErasingWith } from "./erase.js";
import { openLedger } from "./ledger.js";

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
  signingKey: openTreeKeyFile(files.treeKey).obtain,
  ledger: openLedger(erasureLedgerOf(dir, process.env)),
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
