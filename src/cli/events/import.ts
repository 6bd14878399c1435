import { Command } from "commander";
import { importEvents, type Imported, type ImportPhase } from "../../operate/transfer/import.js";
import { countSealedTexts, type SealedTexts } from "../../operate/transfer/sealed-texts.js";
import type { Target } from "../../operate/target.js";
import { fail } from "../failure.js";
import {
  cellOption,
  exitWhenSaid,
  sameTarget,
  someText,
  targetOf,
  withTarget,
  type ProfileOptions,
} from "../options.js";
import { grouped, next, paint, progress, say, sayJson } from "../output.js";

type Options = ProfileOptions & { readonly cell?: string; readonly reason?: string; readonly unchecked?: true };

export const importCommand = withTarget(new Command("import"))
  .description("Write an export into an empty log, in the other profile or in the same; it begins a new epoch.")
  .argument("<file>", "what `parley events export --output` wrote, with its manifest beside it")
  .option("--cell <name>", "the cell that it must be of (PARLEY_CELL); without it whichever it is of", someText)
  .option("--reason <text>", "why; kept with the new epoch", someText)
  .option("--unchecked", "distributed: go on where Redis or NATS do not say whether processes run")
  .addHelpText(
    "after",
    `
The log must be empty and nobody may use it: the server of the directory, or all processes of the cell, are stopped. Every
event keeps stream, revision, id, type, data and metadata; positions are the new log's. The export is verified first and the
log compared with it at the end; no server starts on a log whose import has not ended. A run that was killed is gone on
with: run the same command again. Texts can be read when their keys are brought as well: parley keys export and import.
Exit code: 0 done, 1 refused or failed (the message says why), 2 wrong usage.`,
  )
  .action(async (file: string, options: Options) => {
    const bars = createBars();
    try {
      const target = targetOf(options);
      const { reason, unchecked } = options;
      const imported = await importEvents(
        target,
        { file, cell: cellOf(options, target), reason, unchecked: unchecked === true },
        bars.show,
      );
      bars.end();
      const bar = progress("looking for keys", "positions");
      const texts = await countSealedTexts(target, bar.show);
      bar.end();
      if (options.json) sayJson({ file, ...imported, ...texts });
      else tell(imported, texts, target);
      exitWhenSaid(0);
    } catch (error) {
      bars.end();
      fail(error);
    }
  });

/** What the distributed profile's processes are configured with; of a directory only what somebody said. */
const cellOf = ({ cell }: Options, target: Target): string | undefined => {
  if (cell !== undefined) return cell;
  if (target.profile === "distributed") return target.config.cell;
  return process.env.PARLEY_CELL === "" ? undefined : process.env.PARLEY_CELL;
};

/** A line for each phase, one after another. */
const createBars = () => {
  let phase: ImportPhase | undefined;
  let bar = progress("");
  return {
    show: (now: ImportPhase, done: number, of: number): void => {
      if (phase !== now) {
        bar.end();
        bar = progress(now);
        phase = now;
      }
      bar.show(done, of);
    },
    end: (): void => {
      bar.end();
    },
  };
};

const tell = (imported: Imported, { sealed, withoutKey }: SealedTexts, target: Target): void => {
  const { events, resumed, sha256, cell, previousEpoch, epoch } = imported;
  const before = resumed === 0 ? "" : `, ${grouped(resumed)} of them in a run before`;
  say(`${grouped(events)} events imported${before}; the log has their hash ${sha256}`);
  say(`epoch ${previousEpoch ?? "none"} → ${epoch}: clients drop what they have and sync`);
  const keys = `${grouped(sealed)} sealed texts, ${grouped(withoutKey)} of them without a key`;
  say(withoutKey === 0 ? keys : paint("yellow", `${keys}: nobody can read those here until their keys are brought`));
  const where = sameTarget(target);
  const serve = `parley serve ${where}${cellOption(cell)}`;
  if (withoutKey === 0) next(serve, `parley doctor ${where}`);
  else next(`parley keys import FILE ${where}`, serve);
};
