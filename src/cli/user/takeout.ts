import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Argument, Command, Option } from "commander";
import { takeOut, takeoutExtents, type TakenOut, type TakeoutExtent } from "../../operate/takeout/takeout.js";
import type { Target } from "../../operate/target.js";
import { BadConfig, sodiumOf } from "../../settings/config.js";
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
    readonly output?: string;
    readonly include: TakeoutExtent;
  };

export const takeoutCommand = withReason(withTarget(new Command("takeout")))
  .description("Write everything of one person to a ZIP: JSON for programs, and pages to read.")
  .addArgument(new Argument("<user>", "the user's id").argParser(someText))
  .option("--output <file>", "the file to write (default: parley-takeout-USER-….zip here)", someText)
  .addOption(
    new Option(
      "--include <extent>",
      "own: of conversations what they wrote and did; visible: also what others wrote and they could see",
    )
      .choices(takeoutExtents)
      .default("own"),
  )
  .addHelpText(
    "after",
    `
Profile with every name, devices, preferences, memberships, messages with their edits and deletions, reactions, receipts.
index.html opens from the disk, without scripts. Others' messages are others' data: they are only in it where you say so.
Exit code: 0 done, 1 something in it is damaged (the file is there) or it failed, 2 wrong usage.

  parley user takeout alice --reason "request of 2026-12-01" --output alice.zip`,
  )
  .action(async (user: string, options: Options) => {
    try {
      await run(user, options);
    } catch (error) {
      fail(error);
    }
  });

const run = async (user: string, options: Options): Promise<void> => {
  const target = targetOf(options);
  const { include: extent } = options;
  const file = resolve(options.output ?? nameOf(user, new Date()));
  if (existsSync(file)) throw new BadConfig([`${file} is there already: name another file with --output`]);
  await recordFirst(target, options, { kind: "user.takeout", scope: { user, include: extent } });
  const bars = { reading: progress("looking through", "positions"), writing: progress("writing", "conversations") };
  const taken = await takeOut(target, { user, extent, file, sodium: sodiumOf(process.env) }, (stage, done, of) => {
    if (stage === "writing") bars.reading.end();
    bars[stage].show(done, of);
  }).finally(() => {
    bars.reading.end();
    bars.writing.end();
  });
  if (taken.damaged > 0) process.exitCode = 1;
  if (options.json) sayJson({ ...taken, file });
  else tell(taken, file, target);
};

const nameOf = (user: string, now: Date): string =>
  `parley-takeout-${user.replace(/[^A-Za-z0-9_.-]/g, "_")}-${now.toISOString().replace(/[:.]/g, "-")}.zip`;

const tell = ({ conversations, messages, bytes, sha256, damaged, damages }: TakenOut, file: string, target: Target) => {
  say(`${paint("grey", "file    ")} ${harmless(file)} (${grouped(bytes)} bytes)`);
  say(`${paint("grey", "sha256  ")} ${sha256}`);
  say(`${paint("grey", "holds   ")} ${counted(messages, "message")} of ${counted(conversations, "conversation")}`);
  if (damaged > 0) {
    say(paint("red", `\n→ ${grouped(damaged)} texts or events do not open, though nobody erased them:`));
    for (const damage of damages) say(paint("red", `  ${harmless(damage)}`));
  }
  next(`parley audit accesses --kind user.takeout ${sameTarget(target)}`);
};
