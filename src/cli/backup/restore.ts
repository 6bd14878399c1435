import { existsSync } from "node:fs";
import { Command } from "commander";
import type { EnginesRestored } from "../../operate/backup/engines.js";
import { restoreBackup, type Restored } from "../../operate/backup/restore.js";
import type { DistributedTarget } from "../../operate/target.js";
import { BadConfig } from "../../settings/config.js";
import { erasureLedgerOf } from "../../settings/erasure-ledger.js";
import { fail } from "../failure.js";
import { cellOption, exitWhenSaid, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, harmless, next, note, paint, progress, say, sayJson } from "../output.js";
import { witnessOption } from "../audit/witness.js";
import { aboutBackup, tellWitness, timeText } from "./output.js";

type Options = ProfileOptions & {
  readonly keys?: string;
  readonly old?: string;
  readonly erasures?: string;
  readonly reason?: string;
  readonly unchecked?: true;
  readonly witness?: string;
};

export const restoreCommand = withTarget(new Command("restore"))
  .description("Make a Parley of a backup: a data directory that is empty, or the keys beside restored engines.")
  .argument("<dir>", "what `parley backup create` made")
  .option("--keys <dir2>", "where its keys are, if they were put apart", someText)
  .option(
    "--old <dir>",
    "the data directory that was lost, or what is left of it: says what the backup lacks",
    someText,
  )
  .option("--erasures <file>", "the ledger of erasures; without it the one in --old, where it is there", someText)
  .option("--reason <text>", "why; kept with the new epoch", someText)
  .option("--witness <file>", `${witnessOption}. A log that does not go on from it is not restored`, someText)
  .option("--unchecked", "distributed: go on where Redis or NATS do not say whether processes run")
  .addHelpText(
    "after",
    `
The backup is verified first. A new epoch begins: clients drop what they have and sync; what they have not sent yet they send.
--data names the directory to make. Until everything is in its place no server starts there; a run that was killed is
begun anew by the same command. With --profile distributed the engines are restored before, by their own means, and all
processes of the cell are stopped: the keys that are not there are put back, the views are removed, the epoch begins.
Exit code: 0 done, 1 refused or failed (the message says why), 2 wrong usage.`,
  )
  .action(async (dir: string, options: Options) => {
    try {
      const target = targetOf(options);
      if (target.profile === "distributed") await ofEngines(target, dir, options);
      else await ofDirectory(target.dir, dir, options);
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

const ofDirectory = async (
  dataDir: string,
  dir: string,
  { keys, old, erasures, reason, witness, json }: Options,
): Promise<void> => {
  let phase = "";
  let bar = progress("");
  try {
    const restored = await restoreBackup(
      { dir, keysDir: keys, dataDir, old, erasures, reason, witnessFile: witness },
      (now, done, of) => {
        if (phase !== now) {
          bar.end();
          bar = progress(now, "bytes");
          phase = now;
        }
        bar.show(done, of);
      },
    );
    bar.end();
    if (json) sayJson({ dir, data: dataDir, ...restored });
    else tell(dataDir, restored);
  } finally {
    bar.end();
  }
};

const tell = (dataDir: string, restored: Restored): void => {
  const { manifest, epoch, withoutKeys, withErasures, missing, against } = restored;
  say(`Restored into ${dataDir}, from the backup ${aboutBackup(manifest)}`);
  say(`epoch ${manifest.epoch ?? "none"} → ${epoch}: clients drop what they have and sync`);
  if (missing === undefined)
    say(`What was accepted after position ${grouped(manifest.head)} is not in it; --old DIR would have counted it.`);
  else if ("unknown" in missing) say(paint("yellow", `What is missing is not known: ${harmless(missing.unknown)}`));
  else if (missing.events === 0) say("Nothing is missing.");
  else
    say(
      paint(
        "yellow",
        `${grouped(missing.events)} events are missing, of ${timeText(missing.from)} to ${timeText(missing.to)}`,
      ),
    );
  if (against !== undefined) tellWitness(against);
  tellErasures(dataDir, withErasures);
  if (withoutKeys) note("The keys were put apart and are not restored: what people wrote stays closed without them.");
  const cell = cellOption(manifest.cell);
  next(`parley doctor --data ${dataDir}`, `parley serve --data ${dataDir}${cell}`);
};

/** The start reads the ledger that the environment names, and that of the directory only where it names none. */
const tellErasures = (dataDir: string, taken: boolean): void => {
  const read = erasureLedgerOf(dataDir, process.env);
  const apart = read !== erasureLedgerOf(dataDir, {});
  if (existsSync(read)) say(`The ledger of erasures is there (${read}): the start erases again whom it names.`);
  else if (apart)
    note(`PARLEY_ERASURE_LEDGER names ${read}, which is not there: who was erased after the backup can be read again.`);
  else note("No ledger of erasures was given (--erasures FILE): who was erased after the backup can be read again.");
  if (apart && taken) note("The ledger put into the directory is not read while PARLEY_ERASURE_LEDGER names another.");
};

const ofEngines = async ({ config }: DistributedTarget, dir: string, options: Options): Promise<void> => {
  const { keys, old, erasures, reason, unchecked, witness, json } = options;
  if ([keys, old, erasures, witness].some((option) => option !== undefined))
    throw new BadConfig([
      "--keys, --old, --erasures and --witness are of the embedded profile; parley audit verify --profile distributed has --witness",
    ]);
  const { restoreEnginesBackup } = await import("../../operate/backup/engines.js");
  const bar = progress("putting back", "keys");
  const show = (done: number): void => {
    bar.show(done, 0);
  };
  const asked = { dir, reason, unchecked: unchecked === true };
  const restored = await restoreEnginesBackup(config, asked, show).finally(bar.end);
  if (json) sayJson({ dir, ...restored });
  else tellEngines(restored);
};

const tellEngines = (engines: EnginesRestored): void => {
  const { manifest, epoch, restored, there, leftOut, erasedAgain, head } = engines;
  say(`${grouped(restored)} keys put back, ${grouped(there)} were there, from the backup ${aboutBackup(manifest)}`);
  if (leftOut > 0) say(`${grouped(leftOut)} are of users who were erased, and were left out.`);
  if (erasedAgain > 0) say(`Users whom the erasure ledger names, erased again: ${grouped(erasedAgain)}.`);
  say(`epoch ${manifest.epoch ?? "none"} → ${epoch}: clients drop what they have and sync`);
  if (head > manifest.head)
    say(
      paint(
        "yellow",
        `The event store goes on to ${grouped(head)}: keys that were made after the backup are not in it.`,
      ),
    );
  else if (head < manifest.head)
    say(paint("yellow", `The event store ends at ${grouped(head)}: what came after it until the backup is missing.`));
  next("parley doctor --profile distributed", "parley serve --profile distributed");
};
