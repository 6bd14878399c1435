import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import {
  archiveFormats,
  exportArchive,
  isDomain,
  unknownDomain,
  type ArchivedRun,
  type ArchiveFormat,
  type ArchiveProgress,
  type Bound,
} from "../../operate/archive/export.js";
import type { Target } from "../../operate/target.js";
import { BadConfig, sodiumOf } from "../../settings/config.js";
import { bound } from "../events/selection.js";
import { fail } from "../failure.js";
import {
  sameTarget,
  someText,
  targetOf,
  withReason,
  withTarget,
  type ProfileOptions,
  type ReasonOptions,
} from "../options.js";
import { counted, grouped, harmless, next, paint, progress, say, sayJson } from "../output.js";
import { recordFirst } from "../recorded.js";

type Options = ProfileOptions &
  ReasonOptions & {
    readonly format: ArchiveFormat;
    readonly from: Bound | "last";
    readonly to?: Bound;
    readonly conversation?: string;
    readonly user?: string;
    readonly output?: string;
    readonly mailDomain: string;
  };

const start = (value: string): Bound | "last" => (value === "last" ? value : bound(value));

const domain = (value: string): string => {
  if (!isDomain(value)) throw new InvalidArgumentError("It must be a domain, such as example.org.");
  return value;
};

export const exportCommand = withReason(withTarget(new Command("export")))
  .description("Write what people wrote as an archive takes it: names, members, edits and deletions included.")
  .addOption(
    new Option("--format <format>", "csv: a row for each; eml: mails in a ZIP; actiance: XML; json: a line for each")
      .choices(archiveFormats)
      .makeOptionMandatory(),
  )
  .addOption(
    new Option("--from <position|time|last>", "from here on, inclusive; last: where the last run ended")
      .argParser(start)
      .default("last"),
  )
  .option(
    "--to <position|time>",
    "up to here: a position inclusive, a time exclusive (default: all that is there)",
    bound,
  )
  .option("--conversation <id>", "only this conversation", someText)
  .option("--user <id>", "only what this user did, what was done to them, and what they could see", someText)
  .option("--output <file>", "the file to write (default: parley-FORMAT-… here)", someText)
  .option(
    "--mail-domain <domain>",
    "for the addresses of people whose ids are none (eml, actiance)",
    domain,
    unknownDomain,
  )
  .addHelpText(
    "after",
    `
Runs of one format and scope go on where the last one ended: together they tile the log, which \`parley audit exports\`
proves. A time is a place in the log there: before the first event that says it or later, so that one run's --to is the next
one's --from and no event is in both (audit as-of takes a time through its last event). Each run is an event in the log,
with range, counts, the file's SHA-256 and the root hash over its events. Of two runs at the same time one is refused, and
leaves no file. What was erased shows as erased, what is damaged is named.
Exit code: 0 done, 1 something in it is damaged (the file is there) or it failed, 2 wrong usage.

  parley audit export --format csv --reason "daily archive"
  parley audit export --format eml --from 2026-11-01 --to 2026-12-01 --reason "november" --output november.zip`,
  )
  .action(async (options: Options) => {
    try {
      await run(options);
    } catch (error) {
      fail(error);
    }
  });

const run = async (options: Options): Promise<void> => {
  const { format, conversation, user, from, to, reason, unrecorded } = options;
  if (conversation !== undefined && user !== undefined)
    throw new BadConfig(["--conversation and --user cannot be given together: an archive is of one of them"]);
  const target = targetOf(options);
  const scope = { ...(conversation === undefined ? {} : { conversation }), ...(user === undefined ? {} : { user }) };
  const file = resolve(options.output ?? nameOf(options, new Date()));
  if (existsSync(file)) throw new BadConfig([`${file} is there already: name another file with --output`]);
  await recordFirst(target, options, {
    kind: "audit.export",
    scope: { format, ...scope, from: boundText(from), to: to && boundText(to) },
  });
  const bars = progressBars();
  const range = { from, ...(to === undefined ? {} : { to }) };
  const given = { format, scope, range, file, domain: options.mailDomain, sodium: sodiumOf(process.env) };
  const done = await exportArchive(
    target,
    { ...given, reason: unrecorded === true ? undefined : reason },
    bars.show,
  ).finally(bars.end);
  if (done.damaged > 0) process.exitCode = 1;
  if (options.json) sayJson({ ...done, file });
  else tell(done, file, target);
};

/** A run at another moment has another name: nothing is written over. */
const nameOf = ({ format, conversation, user }: Options, now: Date): string => {
  const of = (conversation ?? user)?.replace(/[^A-Za-z0-9_.-]/g, "_");
  const parts = ["parley", format, ...(of === undefined ? [] : [of]), now.toISOString().replace(/[:.]/g, "-")];
  return `${parts.join("-")}.${{ csv: "csv", eml: "zip", actiance: "xml", json: "ndjson" }[format]}`;
};

const boundText = (at: Bound | "last"): string =>
  at === "last" ? at : "at" in at ? new Date(at.at).toISOString() : String(at.position);

const progressBars = () => {
  const bars = { reading: progress("looking through", "positions"), writing: progress("writing", "conversations") };
  const show: ArchiveProgress = (stage, done, of) => {
    if (stage === "writing") bars.reading.end();
    bars[stage].show(done, of);
  };
  const end = (): void => {
    bars.reading.end();
    bars.writing.end();
  };
  return { show, end };
};

const tell = (done: ArchivedRun, file: string, target: Target): void => {
  const { after, upTo, events, root, conversations, records, messages, erased, damaged, damages, bytes, sha256 } = done;
  const lines: readonly (readonly [string, string])[] = [
    ["file", `${file} (${grouped(bytes)} bytes)`],
    ["sha256", sha256],
    ["range", `after position ${after}, up to ${upTo}: ${grouped(events)} events`],
    ["root", root],
    [
      "holds",
      `${counted(records, "record")} of ${counted(conversations, "conversation")}, ${counted(messages, "message")}`,
    ],
    ...(erased === 0 ? [] : [["erased", `${grouped(erased)} records with texts whose keys are gone`] as const]),
    ...(done.position === undefined ? [["run", "UNRECORDED: no log tells of it"] as const] : []),
  ];
  for (const [name, value] of lines) say(`${paint("grey", name.padEnd(8))} ${harmless(value)}`);
  if (damaged > 0) {
    say(paint("red", `\n→ ${grouped(damaged)} texts or events do not open, though nobody erased them:`));
    for (const damage of damages) say(paint("red", `  ${harmless(damage)}`));
    if (damages.length < damaged) say(paint("red", `  … and ${grouped(damaged - damages.length)} more, in the file`));
    next(`parley doctor ${sameTarget(target)}`);
  } else next(`parley audit exports ${sameTarget(target)}     do the runs tile the log?`);
};
