import { Command } from "commander";
import { BadConfig, dataDirOf } from "../settings/config.js";
import { readDistributedConfig } from "../settings/distributed.js";
import { withoutSecrets } from "../operate/doctor/redact.js";
import type { DistributedStatus } from "../operate/inspect/distributed.js";
import { projectionStatuses } from "../operate/inspect/projections.js";
import { fail } from "./failure.js";
import { exitWhenSaid, refuseData, withInspection, withProfile, type ProfileOptions } from "./options.js";
import { grouped, next, paint, say, sayJson, table } from "./output.js";
import { cancelCommand } from "./projections/cancel.js";
import { dropCommand } from "./projections/drop.js";
import { rebuildCommand } from "./projections/rebuild.js";
import { diffCommand } from "./projections/diff.js";
import { reconcileCommand } from "./projections/reconcile.js";
import { replayCommand } from "./projections/replay.js";

const statusCommand = withProfile(withInspection(new Command("status")))
  .description(
    "How far the views have come behind the log; in the distributed profile by partition, with the projector of each.",
  )
  .addHelpText(
    "after",
    "\nExit code: 0 they fit the log (they may be behind), 1 they do not or cannot be read, 2 wrong usage.",
  )
  .action(async (options: ProfileOptions) => {
    try {
      const json = options.json === true;
      await (options.profile === "embedded"
        ? ofDirectory(dataDirOf(options, process.env), json)
        : ofEngines(options, json));
    } catch (error) {
      const said = withoutSecrets(process.env)(error instanceof Error ? error.message : String(error));
      fail(error instanceof BadConfig ? new BadConfig([said]) : said);
    }
  });

export const projectionsCommand = new Command("projections")
  .description("Read models: how far they are, and whether they are what the log says.")
  .addCommand(statusCommand)
  .addCommand(rebuildCommand)
  .addCommand(dropCommand)
  .addCommand(cancelCommand)
  .addCommand(reconcileCommand)
  .addCommand(replayCommand)
  .addCommand(diffCommand);

const ofDirectory = async (dir: string, json: boolean): Promise<void> => {
  const status = await projectionStatuses(dir);
  const { projections, generations } = status;
  const problems = new Set(projections.flatMap(({ problem }) => (problem === undefined ? [] : [problem])));
  if (problems.size > 0) process.exitCode = 1;
  if (json) {
    sayJson(status);
    return;
  }
  const rows = projections.map(({ name, position, head, lag, rows, bytes, generation, lastError }) => [
    name,
    ...[position ?? "-", head, lag ?? "-", rows ?? "-", bytes ?? "-", generation ?? "-"].map(shown),
    lastError ?? "-",
  ]);
  say(table(["projection", "position", "head", "lag", "rows", "bytes", "generation", "last error"], rows));
  if (generations.length > 1) {
    const all = generations.map(({ number, state, position, bytes }) => [number, state, position, bytes]);
    say(`\n${table(["generation", "state", "position", "bytes"], all)}`);
  }
  for (const problem of problems) say(paint("red", `\n→ ${problem}`));
  const isOf = (state: string): boolean => generations.some((generation) => generation.state === state);
  if (problems.size > 0) next(`parley doctor --data ${dir}`);
  else if (isOf("building") || isOf("ready"))
    next(`parley projections cancel --data ${dir}     gives up the rebuild; its own command goes on with it`);
  else if (isOf("old")) next(`parley projections drop --data ${dir}     deletes old generations`);
  else if (projections.some(({ lag }) => (lag ?? 0) > 0))
    next(`parley projections status --data ${dir}     again: the lag should shrink`);
  else next(`parley events tail --data ${dir}`);
};

const shown = (value: string | number): string => (typeof value === "number" ? grouped(value) : value);

const ofEngines = async (options: ProfileOptions, json: boolean): Promise<void> => {
  refuseData(options);
  const { distributedStatus } = await import("../operate/inspect/distributed.js");
  const status = await distributedStatus(readDistributedConfig({}, process.env));
  const { holdersProblem: problem } = status;
  // Drivers quote addresses that they cannot read.
  const hidden = problem === undefined ? {} : { holdersProblem: withoutSecrets(process.env)(problem) };
  const found = { ...status, ...hidden };
  if (json) sayJson(found);
  else tellEngines(found);
  exitWhenSaid(found.projections.some(({ problem }) => problem !== undefined) ? 1 : 0);
};

const tellEngines = ({ projections, partitions, holdersProblem }: DistributedStatus): void => {
  const rows = projections.map(({ name, position, head, lag, epoch }) => [name, position, head, lag, epoch ?? "-"]);
  say(table(["projection", "position", "head", "lag", "epoch"], rows));
  const shares = partitions.map(({ partition, views, delivery, isBehind, holder }) => [
    partition,
    views ?? "-",
    delivery ?? "-",
    isBehind ? "behind" : "at the head",
    holder ?? (holdersProblem === undefined ? "nobody" : "unknown"),
  ]);
  say(`\n${table(["partition", "views", "delivery", "", "projector"], shares)}`);
  if (holdersProblem !== undefined)
    say(paint("yellow", `\n→ Redis does not say which projector works on which partition: ${holdersProblem}`));
  for (const { problem } of projections) if (problem !== undefined) say(paint("red", `\n→ ${problem}`));
  const isWell = holdersProblem === undefined && partitions.every(({ holder }) => holder !== null);
  if (isWell && projections.every(({ problem }) => problem === undefined))
    next("parley projections status --profile distributed     again: what is behind should catch up");
  else next("parley doctor --profile distributed");
};
