import { Command } from "commander";
import { importKeysLocked } from "../../operate/keys/keys.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, progress, say, sayJson } from "../output.js";
import { passphraseOf } from "../passphrase.js";

type Options = ProfileOptions & { readonly passphraseFile?: string };

export const importCommand = withTarget(new Command("import"))
  .description("Bring the keys of a file to those that are there, which stay as they are.")
  .argument("<file>", "of parley keys export")
  .option("--passphrase-file <file>", "its first line (else PARLEY_PASSPHRASE, else it is asked for)", someText)
  .addHelpText(
    "after",
    `
While Parley is stopped: of the embedded profile this takes the directory's lock, of the distributed one stop all processes.
Before events are imported, or with a log whose keys were lost. Two different keys of one name are refused.
Keys of users who were erased, here or where the file is from, are left out.
Exit code: 0 done, 1 it failed (nothing is changed by a damaged file or a wrong passphrase), 2 wrong usage.`,
  )
  .action(async (file: string, options: Options) => {
    const bar = progress("importing", "keys");
    try {
      const target = targetOf(options);
      const passphrase = await passphraseOf(options.passphraseFile, false);
      const { added, known, erased } = await importKeysLocked(target, { file, passphrase }, bar.show);
      bar.end();
      if (options.json === true) sayJson({ added, known, erased });
      else {
        say(`${grouped(added)} keys were added, ${grouped(known)} were there already.`);
        if (erased > 0) say(`${grouped(erased)} are of users who were erased, and were left out.`);
        next(`parley doctor ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });
