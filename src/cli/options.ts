import { InvalidArgumentError, type Command } from "commander";

/** Which data directory: that of `parley serve` with the same flag and environment. */
export const dataDirOf = ({ data }: { readonly data?: string }): string => data ?? process.env.PARLEY_DATA ?? "./data";

/** The options that every command which looks into a data directory has. */
export const withInspection = (command: Command): Command =>
  command
    .option("--data <dir>", "the server's data directory (PARLEY_DATA; default ./data)")
    .option("--json", "JSON for machines instead of text for people");

export type InspectionOptions = { readonly data?: string; readonly json?: true };

/** A parser of whole numbers from `min` on, for commander. */
export const wholeNumber =
  (min: number) =>
  (value: string): number => {
    const parsed = Number(value);
    if (!/^\d+$/.test(value) || !Number.isSafeInteger(parsed) || parsed < min)
      throw new InvalidArgumentError(`It must be a whole number, at least ${min}.`);
    return parsed;
  };
