import { Argument, Command } from "commander";
import { dropGenerations, openGenerationsOf } from "../../operate/projections/generations.js";
import { fail } from "../failure.js";
import { sameTarget, targetOf, wholeNumber, withTarget, type ProfileOptions } from "../options.js";
import { next, say, sayJson } from "../output.js";

export const dropCommand = withTarget(new Command("drop"))
  .description("Delete generations of the views that readers are no longer served from.")
  .addArgument(new Argument("[generation]", "its number; without it all old ones").argParser(wholeNumber(1)))
  .addHelpText(
    "after",
    "\nExit code: 0 done (also when there was none), 1 it failed or is still needed, 2 wrong usage.",
  )
  .action(async (generation: number | undefined, options: ProfileOptions) => {
    try {
      const target = targetOf(options);
      const opened = await openGenerationsOf(target);
      const dropped = await dropGenerations(opened, generation).finally(opened.close);
      if (options.json === true) {
        sayJson({ dropped });
        return;
      }
      say(dropped.length === 0 ? "There is no old generation." : `Deleted: generation ${dropped.join(", ")}.`);
      next(`parley projections status ${sameTarget(target)}`);
    } catch (error) {
      fail(error);
    }
  });
