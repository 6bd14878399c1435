import { Command } from "commander";
import { cancelRebuild, openGenerationsOf } from "../../operate/projections/generations.js";
import { fail } from "../failure.js";
import { sameTarget, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { next, say, sayJson } from "../output.js";

const said = {
  asked:
    "What is under way was told to give up, and ends within its next batch. A rebuild leaves nothing; a switch leaves readers where they were, and goes on with the same command.",
  dropped: "The unfinished generation is gone.",
  nothing: "No rebuild or switch is under way, and no rebuild is unfinished.",
} as const;

export const cancelCommand = withTarget(new Command("cancel"))
  .description(
    "Give up a rebuild or a switch under way in another terminal, or a rebuild that was killed. Readers stay where they are.",
  )
  .addHelpText("after", "\nExit code: 0 done (also when there was none), 1 it failed, 2 wrong usage.")
  .action(async (options: ProfileOptions) => {
    try {
      const target = targetOf(options);
      const opened = await openGenerationsOf(target);
      const cancelled = await cancelRebuild(opened).finally(opened.close);
      if (options.json === true) {
        sayJson({ cancelled });
        return;
      }
      say(said[cancelled]);
      next(`parley projections status ${sameTarget(target)}`);
    } catch (error) {
      fail(error);
    }
  });
