import { Command } from "commander";
import { counted, type Check } from "../operate/doctor/check.js";
import { diagnose } from "../operate/doctor/doctor.js";
import { fail } from "./failure.js";
import { exitWhenSaid, refuseData, withInspection, withProfile, type ProfileOptions } from "./options.js";
import { harmless, next, paint, say, sayJson, type Colour } from "./output.js";

export const doctorCommand = withProfile(withInspection(new Command("doctor")))
  .description("Look at everything that Parley needs; say what is wrong and how to mend it.")
  .addHelpText(
    "after",
    `
Reads a running or stopped server's files without disturbing it, and changes nothing. Of the distributed profile it asks
every engine, each for at most five seconds, and changes nothing but objects of its own in S3, which it removes. It judges
the configuration of its own environment: run it with the server's, whose secrets it does not print.
Exit code: 0 nothing is wrong (there may be warnings), 1 something is, 2 wrong usage.`,
  )
  .action(async (options: ProfileOptions) => {
    try {
      await (options.profile === "embedded" ? ofDirectory(options) : ofEngines(options));
    } catch (error) {
      fail(error);
    }
  });

const ofDirectory = async ({ json, data }: ProfileOptions): Promise<void> => {
  const diagnosis = await diagnose(data === undefined ? {} : { data }, process.env);
  process.exitCode = diagnosis.ok ? 0 : 1;
  if (json) {
    sayJson(diagnosis);
    return;
  }
  tell(diagnosis.checks);
  const where = `--data ${diagnosis.dataDir}`;
  if (!diagnosis.ok) next(`parley doctor ${where}     again, when the first → is done`);
  else if (diagnosis.running) next(`parley projections status ${where}`, `parley events tail --follow ${where}`);
  else next(`parley serve ${where}`);
};

const ofEngines = async (options: ProfileOptions): Promise<void> => {
  refuseData(options);
  const { diagnoseDistributed } = await import("../operate/doctor/distributed.js");
  const diagnosis = await diagnoseDistributed({}, process.env);
  if (options.json) sayJson(diagnosis);
  else {
    tell(diagnosis.checks);
    const profile = "--profile distributed";
    if (!diagnosis.ok) next(`parley doctor ${profile}     again, when the first → is done`);
    else if (diagnosis.running) next(`parley projections status ${profile}`);
    else next(`parley serve ${profile}`);
  }
  exitWhenSaid(diagnosis.ok ? 0 : 1);
};

const marks: Readonly<Record<Check["state"], readonly [Colour, string]>> = {
  ok: ["green", "ok     "],
  warning: ["yellow", "warning"],
  wrong: ["red", "WRONG  "],
};

const tell = (checks: readonly Check[]): void => {
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, state, says, mend } of checks) {
    say(`${paint(...marks[state])}  ${name.padEnd(width)}  ${harmless(says)}`);
    if (mend !== undefined) say(`${" ".repeat(11 + width)}${paint("cyan", `→ ${harmless(mend)}`)}`);
  }
  const count = (state: Check["state"]): number => checks.filter((check) => check.state === state).length;
  say(
    `\n${count("wrong") === 0 ? "Nothing is wrong" : `${count("wrong")} wrong`}, ${counted(count("warning"), "warning")}.`,
  );
};
