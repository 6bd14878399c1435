import { Command } from "commander";
import { rotateKeys } from "../../operate/keys/keys.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, progress, say, sayJson } from "../output.js";

export const rotateCommand = withTarget(new Command("rotate"))
  .description("Wrap all keys with another master key, while servers go on.")
  .addHelpText(
    "after",
    `
Embedded, with master.key: a new one is made and takes its place. Where PARLEY_MASTER_KEY gives the master key (always in
the distributed profile): start all processes with the new one in PARLEY_MASTER_KEYS_ALSO; then with the new one in
PARLEY_MASTER_KEY and the old one in PARLEY_MASTER_KEYS_ALSO; then run this with the same two; then leave the old one out.
Backups of before need the master key of before. Ended in between it loses nothing: run it again.
Exit code: 0 all keys are wrapped with the new one, 1 it failed, 2 wrong usage or settings.`,
  )
  .action(async (options: ProfileOptions) => {
    const bar = progress("wrapping", "keys");
    try {
      const target = targetOf(options);
      const { rewrapped, made } = await rotateKeys(target, (keys) => {
        bar.show(keys, keys);
      });
      bar.end();
      if (options.json === true) sayJson({ rewrapped, made });
      else {
        say(`${grouped(rewrapped)} keys were wrapped anew${made ? ", and master.key has a new master key" : ""}.`);
        if (made) say("Take a new backup: those of before open with the master key of before.");
        next(`parley doctor ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });
