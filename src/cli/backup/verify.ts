import { Command } from "commander";
import { verifyBackup, type VerifiedBackup } from "../../operate/backup/verify.js";
import { fail } from "../failure.js";
import { someText } from "../options.js";
import { harmless, next, paint, progress, say, sayJson } from "../output.js";
import { aboutBackup } from "./output.js";

type Options = { readonly keys?: string; readonly json?: true };

export const verifyCommand = new Command("verify")
  .description("Check a backup: whether every file is what was written, and log and keys belong together.")
  .argument("<dir>", "what `parley backup create` made")
  .option("--keys <dir2>", "where its keys are, if they were put apart", someText)
  .option("--json", "JSON for machines instead of text for people")
  .addHelpText("after", "\nExit code: 0 it is whole, 1 it is not, or is no backup, 2 wrong usage.")
  .action(async (dir: string, { keys, json }: Options) => {
    const bar = progress("verifying", "bytes");
    try {
      const verified = await verifyBackup(dir, keys, bar.show);
      bar.end();
      process.exitCode = verified.problems.length === 0 ? 0 : 1;
      if (json) sayJson({ dir, ok: verified.problems.length === 0, ...verified });
      else tell(dir, keys, verified);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const tell = (dir: string, keysDir: string | undefined, { manifest, problems }: VerifiedBackup): void => {
  for (const problem of problems) say(paint("red", `WRONG  ${harmless(problem)}`));
  if (problems.length > 0) {
    next("parley backup create NEW_DIR     a new one, while there is something to copy");
    return;
  }
  const apart =
    manifest.part === "log" && keysDir === undefined ? " The keys were put apart: --keys DIR2 checks them." : "";
  say(`The backup is whole.${apart}`);
  say(aboutBackup(manifest));
  const keys = keysDir === undefined ? "" : ` --keys ${keysDir}`;
  const where = manifest.profile === "embedded" ? "--data NEW_DIR" : "--profile distributed";
  next(`parley backup restore ${dir}${keys} ${where}`);
};
