import { Argument, Command, Option } from "commander";
import { openGenerationsOf } from "../../operate/projections/generations.js";
import {
  defaultParallel,
  parallelMax,
  rebuildProjections,
  rowsNames,
  type RebuildPhase,
  type RebuildReport,
  type RowsName,
  type Sample,
} from "../../operate/projections/rebuild.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, targetOf, wholeNumber, withTarget, type ProfileOptions } from "../options.js";
import type { Target } from "../../operate/target.js";
import { grouped, harmless, next, paint, progress, say, sayJson, table } from "../output.js";

type Options = ProfileOptions & {
  readonly fromScratch?: true;
  readonly parallel: number;
  readonly maxEventsPerSecond?: number;
  readonly acceptDiff?: true;
};

export const rebuildCommand = withTarget(new Command("rebuild"))
  .description(
    "Build projections anew from the log, beside those that readers see; compare the two row by row; let readers go over when nothing differs. Clients notice nothing.",
  )
  .addArgument(new Argument("<name>", "what is built anew; the rest is copied").choices([...rowsNames, "all"]))
  .option("--from-scratch", "throw away what an unfinished rebuild has done, instead of going on with it")
  .addOption(
    new Option("--parallel <n>", `how much of the log is worked on at once, 1 to ${parallelMax}: see below`)
      .argParser(wholeNumber(1, parallelMax))
      .default(defaultParallel(), `half of the cores, 4 at most: ${defaultParallel()} here`),
  )
  .option("--max-events-per-second <n>", "hold it back to this rate", wholeNumber(1))
  .option("--accept-diff", "let readers go over though rows differ: the report says which")
  .addHelpText(
    "after",
    `
Parley may run or not. It reads the log in this process; the running server is only asked to go over at the end, and a
stopped one starts with the new generation. Killed (kill -9, Ctrl-C, a reboot), it goes on where it was with the same
command; give it up with: parley projections cancel. The generation of before stays, as a file, until parley projections
drop; parley projections switch goes back to it. Rows that differ are shown with the events that prove which value is right (parley events show STREAM@REVISION).

--parallel N: N threads read and project the log beside the one that writes the file, which two of them keep busy; with 1
it does all of it in turn. With --profile distributed N batches are written at once, in lanes that share no row. The rows are
the same with every N, and --max-events-per-second is for all together. Each holds a batch in memory (2,000 events, 8 MiB).

With --profile distributed the projectors join the new generation before readers go over, which gateways do by themselves
within a second; all projectors have to be of this version. Until it is dropped they write the one of before as well.

Exit code: 0 readers are served from the new generation; 1 rows differ and readers stay where they were, it was
cancelled, or it failed; 2 wrong usage.`,
  )
  .action(async (name: RowsName | "all", options: Options) => {
    const bars = barsOf(options.profile);
    try {
      const target = targetOf(options);
      const opened = await openGenerationsOf(target);
      const report = await rebuildProjections(opened, {
        names: name === "all" ? rowsNames : [name],
        onProgress: bars.show,
        ...options,
      }).finally(async () => {
        bars.end();
        await opened.close();
      });
      if (options.json === true) sayJson({ rebuilt: report });
      else tell(report, name, target);
      exitWhenSaid(report.switched ? 0 : 1);
    } catch (error) {
      bars.end();
      fail(error);
    }
  });

/** A bar for each phase. */
const barsOf = (profile: ProfileOptions["profile"]) => {
  // Positions of EventStoreDB are those of its file.
  const ofLog = profile === "embedded" ? "events" : "bytes";
  const labels = { copy: "copying", fill: "projecting", compare: "comparing" } as const;
  let current: { readonly phase: RebuildPhase; readonly bar: ReturnType<typeof progress> } | undefined;
  return {
    show: (phase: RebuildPhase, done: number, of: number): void => {
      if (current?.phase !== phase) {
        current?.bar.end();
        current = { phase, bar: progress(labels[phase], phase === "fill" ? ofLog : "rows") };
      }
      current.bar.show(done, of);
    },
    end: (): void => {
      current?.bar.end();
    },
  };
};

const tell = (report: RebuildReport, name: string, target: Target): void => {
  const { generation, resumedAt, events, eventsPerSecond, parallel, position, rowsCompared, switched } = report;
  const from = resumedAt === null ? "" : ` (gone on from position ${grouped(resumedAt)})`;
  say(
    `Generation ${generation}: ${grouped(events)} events${from}, ${grouped(eventsPerSecond)} a second (--parallel ${parallel})`,
  );
  say(`${grouped(rowsCompared)} rows compared at position ${grouped(position)}: ${differences(report)}`);
  for (const sample of report.samples) say(sampleText(sample));
  if (switched) {
    say(paint("green", `\nReaders are served from generation ${generation}.`));
    next(
      `parley projections status ${sameTarget(target)}`,
      `parley projections drop ${sameTarget(target)}     the one of before, when all is well`,
      `parley projections switch ${sameTarget(target)}     back to it, when not`,
    );
    return;
  }
  say(paint("yellow", "\nReaders stay where they were."));
  next(
    `parley projections rebuild ${name} --accept-diff ${sameTarget(target)}     when the built rows are right`,
    `parley projections cancel ${sameTarget(target)}     when they are not`,
  );
};

const differences = ({ different, notLookedAt, differentByView }: RebuildReport): string => {
  if (different === 0 && notLookedAt === 0) return paint("green", "no difference");
  const more = notLookedAt === 0 ? "" : `, and ${grouped(notLookedAt)} more that were not looked at twice`;
  const views = table(["view", "rows that differ"], Object.entries(differentByView));
  return `${paint("red", `${grouped(different)} differ${more}`)}\n\n${views}`;
};

const sampleText = (sample: Sample): string => {
  const { view, key, right, live, built, log, events, eventCount } = sample;
  const says = {
    built: "the log says what was built",
    live: "the log says what is live",
    neither: "the log says neither",
  };
  const lines = [
    `\n${paint("cyan", `${view} ${key.join(" ")}`)}: ${says[right]}`,
    ...(
      [
        ["live", live],
        ["built", built],
        ["log", log],
      ] as const
    ).map(
      ([of, row]) =>
        `  ${of.padEnd(6)} ${row === null ? "no row" : harmless(JSON.stringify({ ...row, key: undefined }))}`,
    ),
    `  proved by ${grouped(eventCount)} ${eventCount === 1 ? "event" : "events"}${events.length < eventCount ? ", the newest:" : ":"}`,
    ...events.map(
      ({ stream, revision, position, type }) => `    ${type} at ${stream}@${revision} (position ${position})`,
    ),
  ];
  return lines.join("\n");
};
