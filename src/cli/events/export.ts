import { Command, Option } from "commander";
import { exportEvents, hasWholeStreams, type Exported } from "../../operate/transfer/export.js";
import { compressions, type Compression } from "../../operate/transfer/compression.js";
import { manifestPathOf, type Encoding } from "../../operate/transfer/manifest.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, next, note, progress, say, sayJson } from "../output.js";
import { selectionOf, withSelection, type SelectionOptions } from "./selection.js";

type Options = ProfileOptions &
  SelectionOptions & { readonly format: Encoding; readonly compress: Compression; readonly output: string };

export const exportCommand = withSelection(withTarget(new Command("export")))
  .description("Write events to a file and its manifest: to keep, to check, or to import elsewhere.")
  .addOption(
    new Option("--format <format>", "one event a line: as stored, or as CloudEvents 1.0")
      .choices(["ndjson", "cloudevents"])
      .default("ndjson"),
  )
  .addOption(new Option("--compress <how>", "in chunks, each whole by itself").choices(compressions).default("gzip"))
  .requiredOption("--output <file>", "the file to write; FILE.manifest.json is written beside it", someText)
  .addHelpText(
    "after",
    `
A time is compared with each event's own: --from 2026-11-01 --to 2026-12-01 is what says November, wherever it stands.
Reads up to the log's end at this moment, beside a running server; texts stay sealed, and the stream parley-log, which only
tells the log's incarnations, is left out. The manifest has counts, positions, epoch, cell, a SHA-256 over the events,
which is the same for the same events in every log, and the root of their RFC 9162 tree. A run that was killed is gone on with: run the same command again.
Exit code: 0 done, 1 it could not be written or read, 2 wrong usage.`,
  )
  .action(async (options: Options) => {
    const bar = progress("exporting");
    try {
      const target = targetOf(options);
      const { format: encoding, compress: compression, output: file } = options;
      const exported = await exportEvents(
        target,
        { file, encoding, compression, selection: selectionOf(options) },
        bar.show,
      );
      bar.end();
      if (options.json) sayJson({ file, resumed: exported.resumed, ...withoutChunks(exported) });
      else tell(file, exported, sameTarget(target));
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const withoutChunks = ({ manifest }: Exported) => ({ ...manifest, chunks: manifest.chunks.length });

const tell = (file: string, { manifest, resumed }: Exported, target: string): void => {
  const { events, first, last, bytes, sha256 } = manifest;
  if (resumed > 0) note(`${grouped(resumed)} events were there from a run before.`);
  say(`${grouped(events)} events${first === null ? "" : ` (${first} to ${last})`}, ${grouped(bytes)} bytes in ${file}`);
  say(`SHA-256 of the events ${sha256}`);
  say(`manifest ${manifestPathOf(file)}`);
  if (events === 0) next(`parley events stats ${target}     which types and streams there are`);
  else if (hasWholeStreams(manifest.selection))
    next(`parley events verify ${file}`, `parley events import ${file} --data NEW_DIR`);
  else next(`parley events verify ${file}`);
};
