import { randomUUID } from "node:crypto";
import { beginEpoch, newestStart } from "../../commands/epoch.js";
import type { EventLog } from "../../commands/ports.js";
import type { LogCause } from "../../domain/log.events.js";
import { noPosition, type RecordedEvent } from "../../domain/kernel/stream.js";
import { canonicalOf, isLeaf } from "../../audit/canonical.js";
import { hasWholeStreams } from "../../audit/export/selection.js";
import { createTally, type Totals } from "../../audit/export/tally.js";
import { operator } from "../access.js";
import { openToWrite } from "../open-to-write.js";
import { pagesOf } from "../pages.js";
import type { LogToRead, OpenedToWrite, Target } from "../target.js";
import { createPlacedAppender } from "./append.js";
import type { ExportManifest } from "./manifest.js";
import { checkedEvents, verifyExport } from "./verify.js";

export type ImportOptions = {
  readonly file: string;
  /** The cell whose log it becomes; undefined: whichever the events are of. */
  readonly cell: string | undefined;
  readonly reason?: string | undefined;
  /** See `openToWrite`. */
  readonly unchecked?: boolean;
};

export type Imported = {
  readonly events: number;
  /** Events that a run before had written. */
  readonly resumed: number;
  readonly sha256: string;
  readonly cell: string | null;
  readonly previousEpoch: string | null;
  readonly epoch: string;
};

export type ImportPhase = "verifying" | "importing" | "comparing";
type OnProgress = (phase: ImportPhase, done: number, of: number) => void;

/**
 * Writes an export into a log that is empty, event by event at the places that they had; a run that was killed is gone on
 * with. The log is served only when all of it is there and has the hash of the export: until then its newest incarnation
 * is `importing`.
 * @throws (rejects) Error that says why: the export is damaged, the log is not empty, the cell is another one …
 */
export const importEvents = async (
  target: Target,
  options: ImportOptions,
  onProgress: OnProgress = () => undefined,
): Promise<Imported> => {
  const { file } = options;
  const { manifest, problem } = await verifyExport(file, (done, of) => {
    onProgress("verifying", done, of);
  });
  if (problem !== undefined) throw new Error(`${file} is not what was exported: ${problem.says}`);
  refuse(manifest, options);
  const cell = manifest.cell ?? options.cell ?? null;
  const opened = await openToWrite(target, { create: true, unchecked: options.unchecked === true });
  try {
    const { log } = opened;
    const begin = (cause: LogCause) => beginEpoch(log, startOf(manifest, cell, cause, options), Date.now, ids);
    if (!(await isUnderWay(log, manifest))) await begin("importing");
    const resumed = await appendAll(opened, {
      file,
      manifest,
      onProgress: (done) => {
        onProgress("importing", done, manifest.events);
      },
    });
    const found = await totalsOf(log, (done) => {
      onProgress("comparing", done, manifest.events);
    });
    if (found.sha256 !== manifest.sha256 || found.events !== manifest.events)
      throw new Error(
        `the log has ${found.events} events with the hash ${found.sha256}, the export ${manifest.events} with ${manifest.sha256}: somebody else has written this log. Empty it and begin again`,
      );
    await opened.forgetDerived();
    const epoch = await begin("import");
    const { events, sha256 } = found;
    return { events, resumed, sha256, cell, previousEpoch: manifest.epoch, epoch };
  } finally {
    await opened.close();
  }
};

const ids = { uuid: randomUUID };

const refuse = (manifest: ExportManifest, { file, cell }: ImportOptions): void => {
  if (!hasWholeStreams(manifest.selection))
    throw new Error(
      `${file} has parts of streams (${JSON.stringify(manifest.selection)}): only whole ones can be written again. Export without --type, --from and --to`,
    );
  if (cell !== undefined && manifest.cell !== null && cell !== manifest.cell)
    throw new Error(
      `${file} is of the cell ${manifest.cell}, and PARLEY_CELL (--cell) is ${cell}: names of a cell are in the events and for ever. Import it as ${manifest.cell}`,
    );
};

const startOf = (manifest: ExportManifest, cell: string | null, cause: LogCause, { reason }: ImportOptions) => ({
  ...(cell === null ? {} : { home: cell }),
  cause,
  ...(reason === undefined ? {} : { reason }),
  previous: {
    epoch: manifest.epoch,
    head: manifest.upTo,
    events: manifest.events,
    sha256: manifest.sha256,
  },
  by: operator(),
});

/** @throws (rejects) Error for a log with anything else in it than this import's own beginning */
const isUnderWay = async (log: EventLog, { sha256 }: ExportManifest): Promise<boolean> => {
  const start = await newestStart(log);
  if (start?.cause === "importing" && start.previous?.sha256 === sha256) return true;
  if ((await log.head()) === noPosition) return false;
  const what =
    start?.cause === "importing"
      ? "the import of another file was begun there: go on with that one"
      : start?.cause === "import" && start.previous?.sha256 === sha256
        ? "this very export was imported there"
        : "it has events of its own";
  throw new Error(`the log is not empty: ${what}. Name an empty directory, or an empty event store`);
};

type Appending = {
  readonly file: string;
  readonly manifest: ExportManifest;
  readonly onProgress: (done: number) => void;
};

/** How many of the events were there already. */
const appendAll = async (
  { log, ordered }: OpenedToWrite,
  { file, manifest, onProgress }: Appending,
): Promise<number> => {
  const appender = createPlacedAppender(ordered);
  const there = leavesOf(log);
  let resumed = 0;
  let isPastThere = false;
  for await (const { line, event } of checkedEvents(file, manifest)) {
    onProgress(line);
    if (!isPastThere) {
      const next = await there.next();
      if (next.done === false) {
        refuseOtherEvent(line, next.value, event);
        resumed += 1;
        continue;
      }
      isPastThere = true;
    }
    await appender.add(event);
  }
  await appender.finish();
  return resumed;
};

const refuseOtherEvent = (line: number, there: RecordedEvent, event: RecordedEvent): void => {
  if (canonicalOf(there) === canonicalOf(event)) return;
  throw new Error(
    `line ${line} is ${event.stream}@${event.revision}, and the log has ${there.stream}@${there.revision} in its place: somebody else has written this log. Empty it and begin again`,
  );
};

/** Every event of a log but its own stream's. Nobody appends what is read here while it is read. */
async function* leavesOf(log: LogToRead): AsyncGenerator<RecordedEvent, void> {
  const upTo = await log.head();
  for await (const page of pagesOf(log, noPosition, upTo))
    for (const event of page) if (isLeaf(event.stream)) yield event;
}

/** Counts and hash of a whole log, as an export of it would have them. */
export const totalsOf = async (
  log: LogToRead,
  onProgress: (done: number) => void = () => undefined,
): Promise<Totals> => {
  const tally = createTally();
  for await (const event of leavesOf(log)) {
    tally.add(event);
    if (tally.events() % 1_000 === 0) onProgress(tally.events());
  }
  return tally.totals();
};
