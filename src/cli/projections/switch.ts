import { Argument, Command } from "commander";
import { openGenerationsOf } from "../../operate/projections/generations.js";
import { switchToGeneration, type SwitchedBack } from "../../operate/projections/rebuild.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, targetOf, wholeNumber, withTarget, type ProfileOptions } from "../options.js";
import { counted, grouped, next, paint, progress, say, sayJson } from "../output.js";

type Options = ProfileOptions & { readonly maxEventsPerSecond?: number };

export const switchCommand = withTarget(new Command("switch"))
  .description("Let readers go back to a generation of the views that was kept, as it was before a rebuild.")
  .addArgument(
    new Argument("[generation]", "its number; without it the old one, where only one is kept").argParser(
      wholeNumber(1),
    ),
  )
  .option("--max-events-per-second <n>", "hold back what it has to catch up with to this rate", wholeNumber(1))
  .addHelpText(
    "after",
    `
Parley may run or not. An old generation is not written while another is live: this command first brings it on, to where
the live one is, and then readers go over; they never see less than before. Killed, it goes on where it was with the same
command. The generation that was live is kept, so the way is open both ways, until parley projections drop.

Refused: a generation that is being built (parley projections rebuild goes on with it, cancel gives it up), one that was
dropped, one that another version of Parley made, and all while a rebuild is under way.

With --profile distributed projectors write old generations on, so nothing has to be caught up with, and gateways go over
within a second.

Exit code: 0 readers are served from it (also when they were already), 1 it was refused or failed, 2 wrong usage.`,
  )
  .action(async (generation: number | undefined, options: Options) => {
    // Positions of EventStoreDB are those of its file.
    const bar = progress("projecting", options.profile === "embedded" ? "events" : "bytes");
    try {
      const target = targetOf(options);
      const opened = await openGenerationsOf(target);
      const { maxEventsPerSecond } = options;
      const switched = await switchToGeneration(opened, {
        ...(generation === undefined ? {} : { number: generation }),
        ...(maxEventsPerSecond === undefined ? {} : { maxEventsPerSecond }),
        onProgress: bar.show,
      }).finally(opened.close);
      bar.end();
      if (options.json === true) sayJson({ switched });
      else tell(switched, sameTarget(target));
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const tell = ({ from, to, before, position, events }: SwitchedBack, target: string): void => {
  if (from === to) say(`Readers are served from generation ${to} already.`);
  else {
    if (events > 0) say(`Generation ${to} was at ${grouped(before)}, and caught up with ${counted(events, "event")}`);
    say(paint("green", `Readers are served from generation ${to}, at position ${grouped(position)}.`));
  }
  next(
    `parley projections status ${target}`,
    ...(from === to ? [] : [`parley projections switch ${from} ${target}     back again`]),
  );
};
