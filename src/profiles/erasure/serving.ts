import type { Commands } from "../../commands/commands.js";
import { E } from "../../domain/kernel/fp.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";
import type { Logger } from "../../gateway/ports.js";
import { filesOf } from "../data-directory.js";
import type { Stores } from "../embedded/stores.js";
import { ids } from "../serving.js";
import { erasingIn, ErasureRefused } from "./embedded.js";
import { eraseAsLogSays, reapplyErasures, type ErasingWith } from "./erase.js";

/**
 * What a server erases with. Those whom the ledger names are erased again before this resolves, and so before anybody is
 * served: a backup's log and keys may be of before.
 */
export const startErasing = async (
  dir: string,
  { log, keys, views }: Pick<Stores, "log" | "keys" | "views">,
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
  await eraseWhatViewsKnow(erasing, views, logger);
  return erasing;
};

/** Views that were not made anew have caught up long before. */
const viewsWaitedMs = 1_000;
/** The longest that a timer takes: 24 days. */
const timerMsMax = 2 ** 31 - 1;
/** Erasures of a page. */
const pageErasures = 500;

/**
 * Whom the log says to be erased, though the ledger does not: the views know them, by one look at an index. Where they are
 * built anew, which may take long, it is done when they are there: until then nobody reads anything.
 */
const eraseWhatViewsKnow = async (
  erasing: ErasingWith,
  views: Pick<Stores["views"], "awaitCaughtUp" | "opened" | "store">,
  logger: Logger,
): Promise<void> => {
  const look = async (): Promise<void> => {
    for (let after: Position = noPosition; ;) {
      const page = await views.store.reads.erasedAfter(after, pageErasures);
      const userIds = page.map(({ userId }) => userId);
      const erased = await eraseAsLogSays(erasing, userIds);
      if (erased.length > 0)
        logger.warn(
          { users: erased.length },
          "keys of users whom the log says to be erased were there, and were destroyed: keys.db is of before",
        );
      after = page.at(-1)?.position ?? after;
      if (page.length < pageErasures) return;
    }
  };
  const failed = (err: unknown): void => {
    logger.error({ err }, "whether keys of erased users are there cannot be said now; the next start looks again");
  };
  if (await views.awaitCaughtUp(views.opened, viewsWaitedMs)) return look();
  // Ends with the views, if not before.
  void views
    .awaitCaughtUp(views.opened, timerMsMax)
    .then((areThere) => (areThere ? look() : undefined))
    .catch(failed);
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
