import type { Commands } from "../../commands/commands.js";
import { E } from "../../domain/kernel/fp.js";
import type { Logger } from "../../gateway/ports.js";
import { filesOf } from "../data-directory.js";
import type { Stores } from "../embedded/stores.js";
import { ids } from "../serving.js";
import { erasingIn, ErasureRefused } from "./embedded.js";
import { reapplyErasures, type ErasingWith } from "./erase.js";

/**
 * What a server erases with. Those whom the ledger names are erased again before this resolves, and so before anybody is
 * served: a backup's log and keys may be of before.
 */
export const startErasing = async (
  dir: string,
  { log, keys }: Pick<Stores, "log" | "keys">,
  commands: Pick<Commands, "eraseUser">,
  logger: Logger,
): Promise<ErasingWith> => {
  const background = { ...log.background, head: log.head };
  const erasing = erasingIn(dir, filesOf(dir), { log: background, keys, append: appendingErasures(commands) });
  const erased = await reapplyErasures(erasing);
  if (erased.length > 0)
    logger.warn(
      { users: erased.length },
      "users whom the erasure ledger names were erased again: what is here is of before",
    );
  return erasing;
};

/** Through the queue of the user's commands, whose state in memory is to know it. */
const appendingErasures =
  ({ eraseUser }: Pick<Commands, "eraseUser">): ErasingWith["append"] =>
  async ({ userId, reason, by }) => {
    const commandId = ids.uuid();
    const context = { commandId, correlationId: commandId, now: Date.now(), by };
    const result = await eraseUser({ userId, reason }, context);
    if (E.isLeft(result)) throw new ErasureRefused(result.left.code, result.left.message);
  };
