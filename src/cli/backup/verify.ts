import { Command } from "commander";
import { compareWithWitness, type AgainstWitness } from "../../operate/backup/against-witness.js";
import { verifyBackup, type VerifiedBackup } from "../../operate/backup/verify.js";
import { fail } from "../failure.js";
import { someText } from "../options.js";
import { harmless, next, paint, progress, say, sayJson } from "../output.js";
import { witnessOption } from "../audit/witness.js";
import { aboutBackup, tellWitness } from "./output.js";

type Options = { readonly keys?: string; readonly witness?: string; readonly json?: true };

export const verifyCommand = new Command("verify")
  .description("Check a backup: whether every file is what was written, and log and keys belong together.")
  .argument("<dir>", "what `parley backup create` made")
  .option("--keys <dir2>", "where its keys are, if they were put apart", someText)
  .option("--witness <file>", witnessOption, someText)
  .option("--json", "JSON for machines instead of text for people")
  .addHelpText(
    "after",
    `
With --witness the whole log is read: whether it goes on from the heads that the witness kept, and how many events of the newest
are missing, which of a backup that is older is no fault. Whether its own heads are signed by a key that you trust says
parley audit verify --data DIR --public-key FILE.
Exit code: 0 it is whole, 1 it is not, or another log than the witness saw, or no backup, 2 wrong usage.`,
  )
  .action(async (dir: string, { keys, witness, json }: Options) => {
    let bar = progress("verifying", "bytes");
    try {
      const verified = await verifyBackup(dir, keys, bar.show);
      bar.end();
      const isWhole = verified.problems.length === 0;
      let against: AgainstWitness | undefined;
      if (isWhole && witness !== undefined) {
        bar = progress("comparing with the witness");
        against = await compareWithWitness(dir, verified.manifest, witness, (leaves) => {
          bar.show(leaves, Math.max(leaves, verified.manifest.head));
        });
        bar.end();
      }
      const ok = isWhole && against?.problem === undefined;
      process.exitCode = ok ? 0 : 1;
      if (json) sayJson({ dir, ok, ...verified, ...(against === undefined ? {} : { against }) });
      else tell(dir, keys, verified, against);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const tell = (
  dir: string,
  keysDir: string | undefined,
  { manifest, problems }: VerifiedBackup,
  against: AgainstWitness | undefined,
): void => {
  for (const problem of problems) say(paint("red", `WRONG  ${harmless(problem)}`));
  if (problems.length > 0) {
    next("parley backup create NEW_DIR     a new one, while there is something to copy");
    return;
  }
  const apart =
    manifest.part === "log" && keysDir === undefined ? " The keys were put apart: --keys DIR2 checks them." : "";
  say(`The backup is whole.${apart}`);
  say(aboutBackup(manifest));
  if (against !== undefined) tellWitness(against);
  if (against?.problem !== undefined) {
    next(`parley audit verify --data ${dir} --witness FILE --public-key FILE`);
    return;
  }
  const keys = manifest.part === "log" ? ` --keys ${keysDir ?? "DIR2"}` : "";
  const where = manifest.profile === "embedded" ? "--data NEW_DIR" : "--profile distributed";
  next(`parley backup restore ${dir}${keys} ${where}`);
};
