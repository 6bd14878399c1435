import { Command } from "commander";
import { createBackup } from "../../operate/backup/create.js";
import type { BackupManifest } from "../../operate/backup/manifest.js";
import { BadConfig } from "../../settings/config.js";
import type { DistributedTarget, EmbeddedTarget } from "../../operate/target.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, note, progress, say, sayJson } from "../output.js";
import { aboutBackup, bytesIn } from "./output.js";

type Options = ProfileOptions & { readonly keysTo?: string };

export const createCommand = withTarget(new Command("create"))
  .description("Copy the log and its keys, beside a running server, as they were at one moment.")
  .argument("<dir>", "the directory to make; one for each backup")
  .option("--keys-to <dir2>", "put keys, token secret and what else is secret there, apart from the log", someText)
  .addHelpText(
    "after",
    `
Views and snapshots are not in it: they are made again from the log. With --profile distributed it holds what is Parley's own,
the keys as they lie in MongoDB (wrapped) and whose log they belong to; EventStoreDB has its own backup, taken before this one.
Never in it: PARLEY_MASTER_KEY and the other settings, and the ledger of erasures. A backup that has its name is whole and on
the disk; one that was killed leaves DIR.unfinished, which the next one of that name replaces.
Exit code: 0 done, 1 it could not be made, 2 wrong usage.`,
  )
  .action(async (dir: string, options: Options) => {
    try {
      const target = targetOf(options);
      await (target.profile === "embedded" ? ofDirectory(target, dir, options) : ofEngines(target, dir, options));
      exitWhenSaid(0);
    } catch (error) {
      fail(error);
    }
  });

const ofDirectory = async (target: EmbeddedTarget, dir: string, { keysTo, json }: Options): Promise<void> => {
  const bar = progress("copying", "bytes");
  try {
    const manifest = await createBackup(target, { dir, keysTo }, bar.show);
    bar.end();
    if (json) sayJson({ dir, keysTo: keysTo ?? null, ...manifest });
    else tell(dir, manifest, keysTo, sameTarget(target));
  } finally {
    bar.end();
  }
};

const ofEngines = async ({ config }: DistributedTarget, dir: string, { keysTo, json }: Options): Promise<void> => {
  if (keysTo !== undefined)
    throw new BadConfig(["--keys-to is of the embedded profile; of the distributed one the backup holds keys alone"]);
  const { createEnginesBackup } = await import("../../operate/backup/engines.js");
  const bar = progress("copying", "keys");
  const show = (done: number): void => {
    bar.show(done, 0);
  };
  const { manifest, keys } = await createEnginesBackup(config, { dir }, show).finally(bar.end);
  if (json) sayJson({ dir, keys, ...manifest });
  else {
    say(`${grouped(keys)} keys, ${grouped(bytesIn(manifest))} bytes in ${dir}`);
    say(aboutBackup(manifest));
    note("The keys are wrapped with PARLEY_MASTER_KEY, which is not in the backup: keep it, and not beside it.");
    next(`parley backup verify ${dir}`);
  }
};

const tell = (dir: string, manifest: BackupManifest, keysTo: string | undefined, target: string): void => {
  say(`${grouped(bytesIn(manifest))} bytes in ${dir}${keysTo === undefined ? "" : `, the keys in ${keysTo}`}`);
  say(aboutBackup(manifest));
  if (keysTo === undefined)
    note("Log and keys lie together: whoever has this directory can read what people wrote (--keys-to parts them).");
  next(
    `parley backup verify ${dir}${keysTo === undefined ? "" : ` --keys ${keysTo}`}`,
    `parley projections status ${target}`,
  );
};
