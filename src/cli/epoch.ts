import { Command } from "commander";
import { newEpoch } from "../operate/new-epoch.js";
import { fail } from "./failure.js";
import {
  cellOption,
  exitWhenSaid,
  sameTarget,
  someText,
  targetOf,
  withTarget,
  type ProfileOptions,
} from "./options.js";
import { next, say, sayJson } from "./output.js";

type Options = ProfileOptions & { readonly reason: string; readonly unchecked?: true };

const newCommand = withTarget(new Command("new"))
  .description("Begin a new incarnation of the log: clients drop what they have and sync afresh.")
  .requiredOption("--reason <text>", "why; kept in the log", someText)
  .option("--unchecked", "distributed: go on where Redis or NATS do not say whether processes run")
  .addHelpText(
    "after",
    `
For a log that was put in place of another: a restore by other means than parley backup restore, which begins one by itself.
The server must be stopped; of the distributed profile all processes, which is asked of Redis (projectors' leases) and NATS
(gateways). Views and snapshots are removed and built again from the log at the next start. Nothing of the log is changed.
Exit code: 0 done, 1 refused or failed (the message says why), 2 wrong usage.`,
  )
  .action(async (options: Options) => {
    try {
      const target = targetOf(options);
      const { reason, unchecked } = options;
      const begun = await newEpoch(target, { reason, unchecked: unchecked === true });
      if (options.json) sayJson(begun);
      else {
        say(`epoch ${begun.previous ?? "none"} → ${begun.epoch}, after position ${begun.head}`);
        say("Views and snapshots are removed: the next start builds them from the log.");
        next(`parley serve ${sameTarget(target)}${cellOption(begun.cell)}`);
      }
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

export const epochCommand = new Command("epoch").description("Incarnations of the log.").addCommand(newCommand);
