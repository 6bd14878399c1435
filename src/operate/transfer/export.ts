import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { cellOfLog } from "../../commands/epoch.js";
import { noPosition } from "../../domain/kernel/stream.js";
import type { Selection } from "../../audit/export/selection.js";
import { openToRead, type OpenedToRead } from "../open.js";
import type { Target } from "../target.js";
import type { Compression } from "./compression.js";
import { exportFormat, type Encoding, type ExportHead, type ExportManifest } from "./manifest.js";
import { selectedEvents } from "./source.js";
import { begunExport, openExportWriter } from "./write.js";

export type ExportOptions = {
  readonly file: string;
  readonly encoding: Encoding;
  readonly compression: Compression;
  readonly selection: Selection;
};

export { hasWholeStreams, type Selection } from "../../audit/export/selection.js";

export type Exported = {
  readonly manifest: ExportManifest;
  /** Events that a run before had written already. */
  readonly resumed: number;
};

/**
 * Writes the selected events, up to the head of this moment, to a file and its manifest. What a run before left unfinished
 * is gone on with. Texts stay sealed.
 * @param onProgress positions of the log
 * @throws (rejects) Error when the file is there already, or what was begun is another export
 */
export const exportEvents = async (
  target: Target,
  options: ExportOptions,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<Exported> => {
  const { file, selection } = options;
  if (existsSync(file)) throw new Error(`${file} is there already: name another file, or delete it first`);
  const opened = await openToRead(target);
  try {
    const fresh = await headOf(opened, options);
    const begun = await begunExport(file);
    if (begun !== undefined) refuseOther(file, begun.head, fresh);
    const head = begun?.head ?? fresh;
    const writer = await openExportWriter(file, head, begun?.chunks ?? []);
    const resumed = writer.tally.events();
    try {
      const after = writer.tally.last() ?? noPosition;
      const onRead = (position: number): void => {
        onProgress(position, head.upTo);
      };
      for await (const event of selectedEvents(opened.log, selection, { after, upTo: head.upTo, onRead }))
        await writer.add(event);
    } catch (error) {
      await writer.close();
      throw error;
    }
    return { manifest: await writer.finish(), resumed };
  } finally {
    await opened.close();
  }
};

const headOf = async (
  { log, epoch }: OpenedToRead,
  { encoding, compression, selection }: ExportOptions,
): Promise<ExportHead> => ({
  ...exportFormat,
  encoding,
  compression,
  selection,
  upTo: await log.head(),
  epoch: (await epoch()) ?? null,
  cell: (await cellOfLog(log)) ?? null,
});

/** The log has grown since; what it was up to then is what was asked for. */
const refuseOther = (file: string, begun: ExportHead, fresh: ExportHead): void => {
  if (isDeepStrictEqual(asStored({ ...begun, upTo: noPosition }), asStored({ ...fresh, upTo: noPosition }))) return;
  throw new Error(
    `${file}.state is of an export that was begun with other options, or of another log: give the same options to go on with it, or delete ${file}.state and ${file}.part`,
  );
};

/** JSON leaves out what is undefined. */
const asStored = (head: ExportHead): unknown => JSON.parse(JSON.stringify(head));
