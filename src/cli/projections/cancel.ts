import { Command } from "commander";
import { cancelRebuild, openGenerationsIn } from "../../operate/projections/generations.js";
import { dataDirOf } from "../../settings/config.js";
import { fail } from "../failure.js";
import { withInspection, type InspectionOptions } from "../options.js";
import { next, say, sayJson } from "../output.js";

const said = {
  asked: "The rebuild under way was told to give up; it ends within its next batch, and leaves nothing.",
  dropped: "The unfinished generation is gone.",
  nothing: "No rebuild is under way, and none is unfinished.",
} as const;

export const cancelCommand = withInspection(new Command("cancel"))
  .description(
    "Give up a rebuild, one under way in another terminal or one that was killed. Readers are not concerned.",
  )
  .addHelpText("after", "\nExit code: 0 done (also when there was none), 1 it failed, 2 wrong usage.")
  .action(async (options: InspectionOptions) => {
    const dir = dataDirOf(options, process.env);
    try {
      const opened = await openGenerationsIn(dir);
      const cancelled = await cancelRebuild(opened).finally(opened.close);
      if (options.json === true) {
        sayJson({ cancelled });
        return;
      }
      say(said[cancelled]);
      next(`parley projections status --data ${dir}`);
    } catch (error) {
      fail(error);
    }
  });
