import { Command } from "commander";
import { projectionStatuses } from "../../operate/inspect/projections.js";
import { lagEventsMax, type ProjectionsStatus } from "../../operate/inspect/status.js";
import { BadConfig } from "../../settings/config.js";
import type { Target } from "../../operate/target.js";
import { fail, hidingSecrets } from "../failure.js";
import { exitWhenSaid, sameTarget, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, paint, say, sayJson, table } from "../output.js";

export const statusCommand = withTarget(new Command("status"))
  .description(
    "Each projection by its name: how far it has come behind the log, its rows and bytes, the generation that readers are served from, and why it does not go on.",
  )
  .addHelpText(
    "after",
    `
position  up to here it holds the log; with --profile distributed that of the partition that is farthest behind, which is
          named with its projector (slowest)
lag       events of the log after that; ${grouped(lagEventsMax)}+ with --profile distributed is at least so many
rows      counted; with --profile distributed as MongoDB keeps count, which after a crash of it may be off by a few
bytes     rows and indexes on disk; "-" (with --json left out) where the engine does not say
last error  what keeps it from going on, as the processes say that run

Exit code: 0 they fit the log (they may be behind), 1 they do not or cannot be read, 2 wrong usage.`,
  )
  .action(async (options: ProfileOptions) => {
    try {
      const target = targetOf(options);
      const status = withoutSecretsIn(await statusOf(target));
      if (options.json === true) sayJson(status);
      else tell(status, target);
      exitWhenSaid(problemsOf(status).length > 0 ? 1 : 0);
    } catch (error) {
      // Drivers quote addresses that they cannot read.
      const said = hidingSecrets(error instanceof Error ? error.message : String(error));
      fail(error instanceof BadConfig ? new BadConfig([said]) : said);
    }
  });

const statusOf = async (target: Target): Promise<ProjectionsStatus> => {
  if (target.profile === "embedded") return projectionStatuses(target.dir);
  const { distributedStatus } = await import("../../operate/inspect/distributed-status.js");
  return distributedStatus(target.config);
};

const withoutSecretsIn = (status: ProjectionsStatus): ProjectionsStatus => {
  const { projections, holdersProblem } = status;
  return {
    ...status,
    projections: projections.map(({ lastError, ...projection }) => ({
      ...projection,
      lastError: lastError === null ? null : hidingSecrets(lastError),
    })),
    ...(holdersProblem === undefined ? {} : { holdersProblem: hidingSecrets(holdersProblem) }),
  };
};

const problemsOf = ({ projections }: ProjectionsStatus): readonly string[] => [
  ...new Set(projections.flatMap(({ problem }) => (problem === undefined ? [] : [problem]))),
];

const tell = (status: ProjectionsStatus, target: Target): void => {
  sayProjections(status);
  sayGenerations(status);
  sayPartitions(status);
  for (const [error, names] of errorsOf(status)) say(paint("yellow", `\n→ ${names.join(", ")}: ${error}`));
  if (status.holdersProblem !== undefined)
    say(paint("yellow", `\n→ Redis does not say which projector works on which partition: ${status.holdersProblem}`));
  for (const problem of problemsOf(status)) say(paint("red", `\n→ ${problem}`));
  next(...nextOf(status, sameTarget(target)));
};

const sayProjections = ({ profile, projections }: ProjectionsStatus): void => {
  const isShared = profile === "distributed";
  const rows = projections.map(({ name, position, head, lag, rows, bytes, generation, slowest, lastError }) => [
    name,
    ...[position, head].map(shown),
    isShared && lag !== null && lag >= lagEventsMax ? `${grouped(lagEventsMax)}+` : shown(lag),
    ...[rows, bytes, generation].map(shown),
    ...(isShared ? [slowest === undefined ? "-" : `${slowest.partition} (${slowest.projector ?? "nobody"})`] : []),
    lastError === null ? "-" : "below",
  ]);
  const slowest = isShared ? ["slowest"] : [];
  say(table(["projection", "position", "head", "lag", "rows", "bytes", "generation", ...slowest, "last error"], rows));
};

const sayGenerations = ({ generations }: ProjectionsStatus): void => {
  if (generations.length < 2) return;
  const rows = generations.map(({ number, state, position, bytes }) => [number, state, position, bytes ?? "-"]);
  say(`\n${table(["generation", "state", "position", "bytes"], rows)}`);
};

const sayPartitions = ({ partitions, holdersProblem }: ProjectionsStatus): void => {
  if (partitions === undefined) return;
  const rows = partitions.map(({ partition, views, delivery, isBehind, holder }) => [
    partition,
    views ?? "-",
    delivery ?? "-",
    isBehind ? "behind" : "at the head",
    holder ?? (holdersProblem === undefined ? "nobody" : "unknown"),
  ]);
  say(`\n${table(["partition", "views", "delivery", "", "projector"], rows)}`);
};

/** Each once, with the names of all that it keeps from going on. */
const errorsOf = ({ projections }: ProjectionsStatus): ReadonlyMap<string, readonly string[]> => {
  const names = new Map<string, string[]>();
  for (const { name, lastError } of projections)
    if (lastError !== null) names.set(lastError, [...(names.get(lastError) ?? []), name]);
  return names;
};

const nextOf = (status: ProjectionsStatus, target: string): readonly string[] => {
  const { projections, generations, partitions = [], holdersProblem } = status;
  const isOf = (state: string): boolean => generations.some((generation) => generation.state === state);
  const isHeld = holdersProblem === undefined && partitions.every(({ holder }) => holder !== null);
  if (problemsOf(status).length > 0 || !isHeld || projections.some(({ lastError }) => lastError !== null))
    return [`parley doctor ${target}`];
  if (isOf("building") || isOf("ready"))
    return [`parley projections cancel ${target}     gives up the rebuild; its own command goes on with it`];
  if (isOf("old")) return [`parley projections drop ${target}     deletes old generations`];
  if (projections.some(({ lag }) => (lag ?? 0) > 0))
    return [`parley projections status ${target}     again: the lag should shrink`];
  return [`parley events tail ${target}`];
};

const shown = (value: number | null | undefined): string =>
  value === null || value === undefined ? "-" : grouped(value);
