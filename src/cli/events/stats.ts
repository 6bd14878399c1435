import { Command } from "commander";
import { readLogStats, type LogStats } from "../../operate/inspect/log-stats.js";
import { fail } from "../failure.js";
import type { Target } from "../../operate/target.js";
import { sameTarget, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, progress, say, sayJson, table } from "../output.js";

/** Days on the screen; --json has all. */
const daysShown = 14;

export const statsCommand = withTarget(new Command("stats"))
  .description("Count the log: types, streams, bytes, days. Reads all of it, page by page.")
  .addHelpText(
    "after",
    "\nBytes are of data and meta, before the store's overhead. Exit code: 0 done, 1 it cannot be read, 2 wrong usage.",
  )
  .action(async (options: ProfileOptions) => {
    try {
      const target = targetOf(options);
      const stats = await counted(target);
      if (options.json) sayJson(stats);
      else tell(stats, target);
    } catch (error) {
      fail(error);
    }
  });

const counted = async (target: Target): Promise<LogStats> => {
  // Positions of EventStoreDB are those of its file.
  const bar = progress("counting", target.profile === "embedded" ? "events" : "bytes");
  try {
    return await readLogStats(target, bar.show);
  } finally {
    bar.end();
  }
};

const tell = (stats: LogStats, target: Target): void => {
  const { events, bytes, types, categories, days, largestStreams } = stats;
  say(`${grouped(events)} events, ${grouped(bytes)} bytes of data, head ${grouped(stats.head)}\n`);
  say(table(["type", "events", "bytes"], rowsOf(types)));
  say(`\n${table(["streams of", "events", "bytes"], rowsOf(categories))}`);
  say(`\n${table(["day (UTC)", "events", "bytes"], rowsOf(days).slice(-daysShown))}`);
  const largest = largestStreams.map((entry) => [entry.stream, entry.events]);
  say(`\n${table(["largest streams", "events"], largest)}`);
  const [first] = largestStreams;
  if (first !== undefined) next(`parley events tail --stream ${first.stream} ${sameTarget(target)}`);
};

const rowsOf = (amounts: LogStats["types"]): (string | number)[][] =>
  Object.entries(amounts).map(([name, amount]) => [name, amount.events, amount.bytes]);
