import { Command } from "commander";
import { archiveReport, type ArchiveReport, type ArchiveSeries, type Stretch } from "../../operate/archive/runs.js";
import { openToRead } from "../../operate/open.js";
import type { Target } from "../../operate/target.js";
import { fail } from "../failure.js";
import { sameTarget, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, harmless, next, paint, say, sayJson, table } from "../output.js";

/** Runs on the screen; --json has all. */
const runsShown = 20;

export const exportsCommand = withTarget(new Command("exports"))
  .description(
    "List what was handed to archives, and prove that the runs tile the log: nothing missing, nothing twice.",
  )
  .addHelpText(
    "after",
    `
Runs of one format and scope belong together. A gap is a stretch of the log that is in none of them, an overlap one that is
in two; a run of the very same range again is only named.
Exit code: 0 they tile, 1 there is a gap or an overlap, or an entry cannot be read, 2 wrong usage.`,
  )
  .action(async (options: ProfileOptions) => {
    try {
      const target = targetOf(options);
      const opened = await openToRead(target);
      const report = await archiveReport(opened).finally(opened.close);
      const isWhole = report.unreadable.length === 0 && report.series.every(tiles);
      if (!isWhole) process.exitCode = 1;
      if (options.json) sayJson({ ...report, tiles: isWhole });
      else tell(report, target);
    } catch (error) {
      fail(error);
    }
  });

const tiles = ({ gaps, overlaps }: ArchiveSeries): boolean => gaps.length === 0 && overlaps.length === 0;

const tell = (report: ArchiveReport, target: Target): void => {
  const { series, unreadable } = report;
  for (const [index, each] of series.entries()) {
    if (index > 0) say("");
    tellSeries(each, report, target);
  }
  for (const entry of unreadable) say(paint("red", `→ ${harmless(entry)}`));
  const where = sameTarget(target);
  if (series.length === 0) say("Nothing was handed to an archive yet.");
  next(`parley audit export --format ${series[0]?.format ?? "csv"} --reason TEXT ${where}`);
};

const tellSeries = (of: ArchiveSeries, { head, epoch }: ArchiveReport, target: Target): void => {
  const scope = scopeText(of.scope);
  const isOld = of.epoch !== epoch;
  say(`${paint("cyan", of.format)} of ${harmless(scope)}${isOld ? ", before the log began anew" : ""}`);
  const rows = of.runs
    .slice(-runsShown)
    .map(({ after, upTo, at, by, events, messages, file, sha256 }) => [
      new Date(at).toISOString(),
      after,
      upTo,
      events,
      messages,
      by.kind === "operator" ? (by.userId ?? "-") : "-",
      file,
      sha256.slice(0, 16),
    ]);
  say(table(["at", "after", "up to", "events", "messages", "operator", "file", "sha256 (begins)"], rows));
  if (of.runs.length > runsShown) say(paint("grey", `… and ${grouped(of.runs.length - runsShown)} before: --json`));
  const scoped = Object.entries(of.scope).map(([name, value]) => ` --${name} ${value}`);
  const again = ({ after, upTo }: Stretch): string =>
    `parley audit export --format ${of.format}${scoped.join("")} --from ${after + 1} --to ${upTo} --reason TEXT ${sameTarget(target)}`;
  for (const gap of of.gaps)
    say(paint("red", `→ gap: nothing between ${gap.after} and ${gap.upTo} was archived. ${harmless(again(gap))}`));
  for (const { after, upTo } of of.overlaps)
    say(paint("red", `→ overlap: what is after ${after}, up to ${upTo}, is in two runs`));
  for (const { after, upTo, file } of of.repeated)
    say(paint("yellow", `  once more: after ${after}, up to ${upTo}, ${harmless(file)}`));
  if (tiles(of)) say(paint("green", `they tile the log from ${of.beginsAfter + 1} to ${of.upTo}`));
  if (of.beginsAfter > 0) say(`  what is up to ${of.beginsAfter} was never archived so`);
  if (!isOld && head > of.upTo) say(`  not archived yet: after ${of.upTo}, up to ${head}`);
};

const scopeText = (scope: Readonly<Record<string, string>>): string => {
  const parts = Object.entries(scope).map(([name, value]) => `${name} ${value}`);
  return parts.length === 0 ? "everything" : parts.join(", ");
};
