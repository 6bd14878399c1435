import { Argument, Command } from "commander";
import { replay, replayNames, type Replayed, type ReplayName } from "../../operate/replay/replay.js";
import { BadConfig } from "../../settings/config.js";
import { fail } from "../failure.js";
import {
  exitWhenSaid,
  sameTarget,
  someText,
  targetOf,
  wholeNumber,
  withTarget,
  type ProfileOptions,
} from "../options.js";
import { grouped, next, progress, say, sayJson } from "../output.js";

type Options = ProfileOptions & {
  readonly from?: number;
  readonly to?: number;
  readonly into?: string;
  readonly capture?: string;
};

export const replayCommand = withTarget(new Command("replay"))
  .description(
    "Tell the log again to projections, into a scratch file beside the live ones; --capture writes down what delivery would have sent.",
  )
  .addArgument(new Argument("<name>", "which projections").choices([...replayNames]))
  .option("--from <position>", "the first event whose effects are captured (default 1)", wholeNumber(1))
  .option("--to <position>", "the last event that is told (default: the log's newest)", wholeNumber(1))
  .option(
    "--into <file>",
    "the scratch file of views: a new one, or one that an earlier replay made, to go on with",
    someText,
  )
  .option(
    "--capture <file>",
    "for delivery or all: every frame to whom, and every device that would have been disconnected, as NDJSON into a new file",
    someText,
  )
  .addHelpText(
    "after",
    `
Parley may run or not: nothing live is touched. Views are always made from the log's first event up to --to, since a row
is the sum of its history; --from says from where on effects are captured. The scratch file is SQLite's in both profiles.

A capture depends on the log alone: the same events give the same bytes, with any version that works alike. Every user counts
as connected, and texts stand sealed, as a digest: nothing is opened.

  parley projections replay all --to 12000 --into before.db
  parley projections replay delivery --from 11800 --to 12000 --capture incident.ndjson

Exit code: 0 done, 1 it failed or was refused, 2 wrong usage.`,
  )
  .action(async (name: ReplayName, options: Options) => {
    const bar = progress(`telling the log to ${name}`);
    try {
      const target = targetOf(options);
      refuseUnclear(name, options);
      const { from, to, into, capture } = options;
      const done = await replay(target, {
        name,
        onProgress: bar.show,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(into === undefined ? {} : { into }),
        ...(capture === undefined ? {} : { capture }),
      });
      bar.end();
      if (options.json === true) sayJson({ replayed: done });
      else tell(done, name, sameTarget(target));
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

/** @throws BadConfig */
const refuseUnclear = (name: ReplayName, { from, into, capture }: Options): void => {
  if (name === "delivery" && capture === undefined)
    throw new BadConfig(["delivery has no rows: name a file for its frames with --capture FILE"]);
  if (into === undefined && capture === undefined) throw new BadConfig(["Name a scratch file with --into FILE"]);
  if (capture !== undefined && name !== "delivery" && name !== "all")
    throw new BadConfig([`${name} has no effects but its rows: --capture is for delivery and all`]);
  if (from !== undefined && capture === undefined)
    throw new BadConfig(["--from belongs to --capture: views are made from the log's first event"]);
};

const tell = ({ to, events, into, capture, effects }: Replayed, name: ReplayName, target: string): void => {
  say(`${grouped(events)} events told to ${name}, up to ${to}`);
  if (capture !== undefined) say(`${grouped(effects ?? 0)} effects in ${capture}`);
  next(
    ...(into === undefined ? [] : [`parley projections diff ${into} live ${target}`]),
    ...(capture === undefined ? [] : [`parley projections diff ${capture} OTHER     of another version or day`]),
  );
};
