import { newestEpoch } from "../../commands/epoch.js";
import { filesOf } from "../../profiles/data-directory.js";
import { startRebuildThreads } from "../../profiles/rebuild-threads.js";
import { sqliteGenerations } from "../../infra/view-store/sqlite/generations.js";
import { GenerationRefused, type Generation } from "../../projections/ports/generations.js";
import { viewsVersion } from "../../projections/registry.js";
import { withServerOrLock } from "../admin.js";
import { openLogOf } from "../inspect/stores.js";
import type { Target } from "../target.js";
import type { OpenedGenerations } from "./opened.js";

/** @throws (rejects) as `openGenerationsIn` does, and Error that names an engine which does not answer */
export const openGenerationsOf = async (target: Target): Promise<OpenedGenerations> => {
  if (target.profile === "embedded") return openGenerationsIn(target.dir);
  const { openGenerationsOfEngines } = await import("./generations-of-engines.js");
  return openGenerationsOfEngines(target.config);
};

/**
 * The generations of a data directory, and its log to read. Readers go over by the running server, which is told on its
 * socket, else by the directory's list.
 * @throws (rejects) NotThere without a log; Error for views of another incarnation of it
 */
export const openGenerationsIn = async (dir: string): Promise<OpenedGenerations> => {
  const log = openLogOf(dir);
  const generations = sqliteGenerations(dir);
  const close = (): Promise<void> => {
    log.close();
    return generations.close();
  };
  try {
    const epoch = await newestEpoch(log);
    const live = (await generations.list()).find(({ state }) => state === "live");
    if (live?.checkpoint !== undefined && live.checkpoint.epoch !== epoch)
      throw new Error(
        `The views were made from another incarnation of the log: parley projections status --data ${dir} says what to do`,
      );
  } catch (error) {
    await close();
    throw error;
  }
  return {
    source: log,
    generations,
    startThreads: (count) => startRebuildThreads({ logPath: filesOf(dir).log }, count),
    close,
    switchTo: (generation) =>
      withServerOrLock(dir, {
        running: async (call) => {
          await call("projections.switch", { viewsVersion, generation });
        },
        stopped: () => generations.switchTo(generation),
      }),
  };
};

/** An unfinished rebuild that nobody works on is given up; one under way is asked to give up. */
export type Cancelled = "asked" | "dropped" | "nothing";

/** @throws (rejects) NotThere without a log */
export const cancelRebuild = async ({ generations }: Pick<OpenedGenerations, "generations">): Promise<Cancelled> => {
  if (await generations.cancel()) return "asked";
  const claim = await generations.claim();
  try {
    const unfinished = (await generations.list()).filter(({ state }) => state === "building" || state === "ready");
    for (const { number } of unfinished) await generations.drop(number);
    return unfinished.length > 0 ? "dropped" : "nothing";
  } finally {
    await claim.release();
  }
};

/**
 * Deletes old generations: the one named, else all. @returns which
 * @throws (rejects) GenerationRefused for one that is live (`live`), is being built (`unfinished`) or is not there (`none`),
 * and while a rebuild is under way (`claimed`)
 */
export const dropGenerations = async (
  { generations }: Pick<OpenedGenerations, "generations">,
  number?: number,
): Promise<readonly number[]> => {
  const claim = await generations.claim();
  try {
    const all = await generations.list();
    const dropped = number === undefined ? all.filter(({ state }) => state === "old") : [found(all, number)];
    for (const generation of dropped) await generations.drop(generation.number);
    return dropped.map((generation) => generation.number);
  } finally {
    await claim.release();
  }
};

const found = (all: readonly Generation[], number: number): Generation => {
  const generation = all.find((one) => one.number === number);
  if (generation === undefined)
    throw new GenerationRefused("none", `There is no generation ${number}: ${all.map((one) => one.number).join(", ")}`);
  if (generation.state === "building" || generation.state === "ready")
    throw new GenerationRefused(
      "unfinished",
      `Generation ${number} is of an unfinished rebuild: go on with it, or give it up with parley projections cancel`,
    );
  return generation;
};
