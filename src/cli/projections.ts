import { Command } from "commander";
import { projectionStatuses } from "../infra/profiles/inspect-projections.js";
import { fail } from "./failure.js";
import { dataDirOf, withInspection, type InspectionOptions } from "./options.js";
import { next, paint, say, sayJson, table } from "./output.js";

const status = withInspection(new Command("status"))
  .description("How far the views have come behind the log.")
  .addHelpText(
    "after",
    "\nExit code: 0 they fit the log (they may be behind), 1 they do not or cannot be read, 2 wrong usage.",
  )
  .action(async (options: InspectionOptions) => {
    try {
      await tell(dataDirOf(options), options.json === true);
    } catch (error) {
      fail(error);
    }
  });

export const projectionsCommand = new Command("projections")
  .description("Read models: how far they are.")
  .addCommand(status);

const tell = async (dir: string, json: boolean): Promise<void> => {
  const statuses = await projectionStatuses(dir);
  const problems = statuses.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  if (problems.length > 0) process.exitCode = 1;
  if (json) {
    sayJson({ projections: statuses });
    return;
  }
  const rows = statuses.map(({ name, position, head, lag, epoch, bytes }) => [
    name,
    position,
    head,
    lag,
    bytes,
    epoch ?? "-",
  ]);
  say(table(["projection", "position", "head", "lag", "bytes", "epoch"], rows));
  for (const problem of problems) say(paint("red", `\n→ ${problem}`));
  if (problems.length > 0) next(`parley doctor --data ${dir}`);
  else if (statuses.some(({ lag }) => lag > 0))
    next(`parley projections status --data ${dir}     again: the lag should shrink`);
  else next(`parley events tail --data ${dir}`);
};
