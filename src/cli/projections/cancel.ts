import { Command } from "commander";
import { cancelRebuild, openGenerationsOf } from "../../operate/projections/generations.js";
import { fail } from "../failure.js";
import { sameTarget, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { next, say, sayJson } from "../output.js";

const said = {
  asked: "The rebuild under way was told to give up; it ends within its next batch, and leaves nothing.",
  dropped: "The unfinished generation is gone.",
  nothing: "No rebuild is under way, and none is unfinished.",
} as const;

export const cancelCommand = withTarget(new Command("cancel"))
  .description(
    "Give up a rebuild, one under way in another terminal or one that was killed. Readers are not concerned.",
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
