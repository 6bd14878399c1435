import { Command } from "commander";
import { rotateTreeKey } from "../../operate/tree/rotate.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { next, say, sayJson } from "../output.js";

export const rotateKeyCommand = withTarget(new Command("rotate-key"))
  .description("Sign heads with another key from now on; the old and the new key sign each other.")
  .addHelpText(
    "after",
    `
A running server does it and goes on. Who trusts the old key can follow to the new one, and the other way round: nothing has to
be given out again. Exit code: 0 done, 1 it could not be done, 2 wrong usage.`,
  )
  .action(async (options: ProfileOptions) => {
    try {
      const target = targetOf(options);
      const { keyId, replaces = null } = await rotateTreeKey(target);
      if (options.json) sayJson({ keyId, replaces });
      else {
        say(`Heads are signed with ${keyId} from now on${replaces === null ? "" : `, no more with ${replaces}`}.`);
        next(`parley audit head ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });
