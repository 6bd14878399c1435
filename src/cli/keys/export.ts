import { existsSync } from "node:fs";
import { Command } from "commander";
import { exportKeys } from "../../operate/keys/keys.js";
import { BadConfig } from "../../settings/config.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, progress, say, sayJson } from "../output.js";
import { passphraseOf } from "../passphrase.js";

type Options = ProfileOptions & { readonly output: string; readonly reason: string; readonly passphraseFile?: string };

export const exportCommand = withTarget(new Command("export"))
  .description("Write all keys to a file, wrapped by a passphrase. They open everything that was said.")
  .requiredOption("--output <file>", "where to; a file that is there is not written over", someText)
  .requiredOption("--reason <text>", "why: recorded in the log before any key is read", someText)
  .option("--passphrase-file <file>", "its first line (else PARLEY_PASSPHRASE, else it is asked for)", someText)
  .addHelpText(
    "after",
    "\nThe ids of keys, which name users and conversations, are readable in the file.\nExit code: 0 done, 1 it failed, 2 wrong usage.",
  )
  .action(async (options: Options) => {
    const bar = progress("exporting", "keys");
    try {
      const { output: file, reason } = options;
      if (existsSync(file)) throw new BadConfig([`--output: ${file} is there already; name another`]);
      const target = targetOf(options);
      const passphrase = await passphraseOf(options.passphraseFile, true);
      const keys = await exportKeys(target, { file, passphrase, reason }, bar.show);
      bar.end();
      if (options.json === true) sayJson({ file, keys });
      else {
        say(`${grouped(keys)} keys are in ${file}. Keep it and its passphrase apart from the log's exports.`);
        next(`parley keys import ${file} --data OTHER`, `parley events export --output FILE ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });
