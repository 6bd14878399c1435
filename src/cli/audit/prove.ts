import { Argument, Command } from "commander";
import { proveConsistency, proveInclusion } from "../../operate/tree/prove.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, targetOf, withTarget, wholeNumber, type ProfileOptions } from "../options.js";
import { grouped, harmless, next, paint, say, sayJson } from "../output.js";
import type { EventPlace } from "../../operate/inspect/log.js";
import { place } from "../events/show.js";

export const proveCommand = withTarget(new Command("prove"))
  .description("Prove that an event is in the log that the newest head signs.")
  .addArgument(new Argument("<position|stream@revision>", "which event").argParser(place))
  .addHelpText(
    "after",
    `
The proof is checked before it is shown. --json has the leaf's bytes, its index, the hashes and the head: enough for RFC 9162,
2.1.3.2, by whatever program. Exit code: 0 proved, 1 it is not what was signed, or not signed yet, 2 wrong usage.`,
  )
  .action(async (where: EventPlace, options: ProfileOptions) => {
    try {
      const target = targetOf(options);
      const proved = await proveInclusion(target, where);
      if (options.json) sayJson(proved);
      else {
        const { head, index, position, leaf, leafHash, proof } = proved;
        say(
          paint(
            "green",
            `PROVED  the event at position ${position} is leaf ${grouped(index)} of the ${grouped(head.size)} that the head signs.`,
          ),
        );
        say(`\nleaf ${harmless(leaf)}\nhash ${leafHash}\nroot ${head.root}\n`);
        for (const hash of proof) say(`     ${hash}`);
        next(
          `parley audit verify --public-key FILE ${sameTarget(target)}     checks the head's signature and everything it signs`,
        );
      }
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

export const consistencyCommand = withTarget(new Command("consistency"))
  .description("Prove that a head's log goes on with another's: nothing before the older one was changed.")
  .argument("<old>", "size of the older head", wholeNumber(1))
  .argument("<new>", "size of the newer one", wholeNumber(1))
  .addHelpText(
    "after",
    `
Sizes are those of heads that you have kept, or that a witness has. The proof is checked before it is shown, also against the
heads of these sizes in the log. --json has the hashes for RFC 9162, 2.1.4.2. Compare both roots with those of your heads.
Exit code: 0 proved, 1 it cannot be, 2 wrong usage.`,
  )
  .action(async (older: number, newer: number, options: ProfileOptions) => {
    try {
      if (older > newer) throw new Error(`the older head comes first: parley audit consistency ${newer} ${older}`);
      const target = targetOf(options);
      const proved = await proveConsistency(target, older, newer);
      if (options.json) sayJson(proved);
      else {
        say(paint("green", `PROVED  the first ${grouped(older)} events of both are the same.`));
        say(`\nroot of ${grouped(older)}  ${proved.old.root}\nroot of ${grouped(newer)}  ${proved.new.root}\n`);
        for (const hash of proved.proof) say(`     ${hash}`);
        next(`parley audit head ${sameTarget(target)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });
