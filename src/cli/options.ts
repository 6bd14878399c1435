import type { Target } from "../operate/target.js";
import { BadConfig, dataDirOf } from "../settings/config.js";
import { readDistributedConfig } from "../settings/distributed.js";
import { InvalidArgumentError, Option, type Command } from "commander";

/** The options that every command which looks into a data directory has. */
export const withInspection = (command: Command): Command =>
  command
    .option("--data <dir>", "the server's data directory (PARLEY_DATA; default ./data)")
    .option("--json", "JSON for machines instead of text for people");

/** For commands that look into both profiles; the same flag and environment as those of `parley serve`. */
export const withProfile = (command: Command): Command =>
  command.addOption(
    new Option("--profile <profile>", "embedded: a data directory; distributed: the engines (PARLEY_PROFILE)")
      .choices(["embedded", "distributed"])
      .env("PARLEY_PROFILE")
      .default("embedded"),
  );

export type ProfileOptions = InspectionOptions & { readonly profile: "embedded" | "distributed" };

/** @throws BadConfig for a data directory of a profile that has none */
export const refuseData = ({ data }: InspectionOptions): void => {
  if (data !== undefined)
    throw new BadConfig(["--data is of the embedded profile; the distributed one is configured by PARLEY_… variables"]);
};

/** `--profile --data --json`, for commands of both profiles. */
export const withTarget = (command: Command): Command => withProfile(withInspection(command));

/** @throws BadConfig for wrong settings */
export const targetOf = (options: ProfileOptions): Target => {
  if (options.profile === "embedded") return { profile: "embedded", dir: dataDirOf(options, process.env) };
  refuseData(options);
  return { profile: "distributed", config: readDistributedConfig({}, process.env) };
};

/** What the next command needs to be about the same Parley. */
export const sameTarget = (target: Target): string =>
  target.profile === "embedded" ? `--data ${target.dir}` : "--profile distributed";

/** What `parley serve` takes besides for a log of this cell. */
export const cellOption = (cell: string | null): string => (cell === null || cell === "main" ? "" : ` --cell ${cell}`);

/** For commands that open what people wrote: the log is told of it, with the reason, before. */
export const withReason = (command: Command): Command =>
  command
    .addOption(new Option("--reason <text>", "why: recorded in the log before anything is opened").argParser(someText))
    .option("--unrecorded", "of a copy of a data directory: record nothing");
export type ReasonOptions = { readonly reason?: string; readonly unrecorded?: true };

export type InspectionOptions = { readonly data?: string; readonly json?: true };

/** A parser of whole numbers from `min` on, up to `max` where there is one, for commander. */
export const wholeNumber =
  (min: number, max = Infinity) =>
  (value: string): number => {
    const parsed = Number(value);
    if (!/^\d+$/.test(value) || !Number.isSafeInteger(parsed) || parsed < min || parsed > max)
      throw new InvalidArgumentError(
        max === Infinity
          ? `It must be a whole number, at least ${min}.`
          : `It must be a whole number, ${min} to ${max}.`,
      );
    return parsed;
  };

/** For commander: an empty text is a variable of the shell that is not set. */
export const someText = (value: string): string => {
  if (value === "") throw new InvalidArgumentError("It must not be empty.");
  return value;
};

const isoPattern = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** A parser of ISO 8601, for commander: epoch milliseconds. What names no zone is UTC, as what is printed. */
export const time = (value: string): number => {
  const [, clock, , , zone] = isoPattern.exec(value) ?? [];
  const at = isoPattern.test(value) ? Date.parse(clock === undefined || zone !== undefined ? value : `${value}Z`) : NaN;
  if (Number.isNaN(at))
    throw new InvalidArgumentError(
      "It must be a time in ISO 8601, such as 2026-11-22, 2026-11-22T10:00Z or …T10:00+01:00.",
    );
  return at;
};

/** Ends the process once everything is said: an engine that never answers would keep it alive. */
export const exitWhenSaid = (code: number): void => {
  process.stdout.write("", () => process.exit(code));
};
