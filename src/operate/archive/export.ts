import { rm } from "node:fs/promises";
import { basename } from "node:path";
import {
  archiveMails,
  archiveText,
  emptyTally,
  tallied,
  type ArchiveFormat,
  type ArchiveTally,
} from "../../audit/archive/formats.js";
import { createPeople } from "../../audit/archive/people.js";
import type { ArchiveItem } from "../../audit/archive/record.js";
import { recordsOf, type RecordSource } from "../../audit/archive/records.js";
import { ArchiveRefused, type ArchiveRun } from "../../commands/access.js";
import { noRevision, streamOf, type Position, type Revision } from "../../domain/kernel/stream.js";
import type { SodiumChoice } from "../../infra/text-cipher/open.js";
import { reasonOf } from "../../lib/errors.js";
import { recordArchive } from "../access.js";
import { ServerRefused } from "../admin.js";
import { openToRead } from "../open.js";
import { openingTexts } from "../open-texts.js";
import type { LogToRead, Target } from "../target.js";
import { rangeOf, type WantedRange } from "./range.js";
import { surveyOf, type ArchiveScope, type Survey } from "./survey.js";
import { writeFileOnce } from "./write-file.js";
import { zipped, type ZipEntry } from "./zip.js";

export { archiveFormats, type ArchiveFormat } from "../../audit/archive/formats.js";
export { isDomain, unknownDomain } from "../../audit/archive/addresses.js";
export type { ArchiveScope } from "./survey.js";
export type { Bound, WantedRange } from "./range.js";

export type ArchiveOptions = {
  readonly format: ArchiveFormat;
  readonly scope: ArchiveScope;
  readonly range: WantedRange;
  readonly file: string;
  /** Undefined of a copy: then the run is not told to the log. */
  readonly reason: string | undefined;
  /** Of the addresses of people whose ids are none. */
  readonly domain: string;
  readonly sodium: SodiumChoice;
};

export type ArchivedRun = Omit<ArchiveRun, "reason"> & {
  readonly damages: readonly string[];
  /** Of the event that tells of it; undefined of a copy. */
  readonly position?: Position;
};

export type ArchiveProgress = (stage: "reading" | "writing", done: number, of: number) => void;

/**
 * Writes an archive of a range of the log, and tells the log of it when its file is durable. The caller has recorded the
 * access before. In memory is a part of one conversation; conversations are written one after another.
 * @throws (rejects) BadConfig for a range with nothing in it; NotThere; Error when the file is there already; where another
 *   run of the format and scope was told of the range meanwhile, ArchiveRefused or ServerRefused, and there is no file
 */
export const exportArchive = async (
  target: Target,
  options: ArchiveOptions,
  onProgress: ArchiveProgress = () => undefined,
): Promise<ArchivedRun> => {
  const { format, file, reason, domain, sodium } = options;
  const scope = namedScope(options.scope);
  const opened = await openToRead(target);
  try {
    const { log } = opened;
    const epoch = await opened.epoch();
    if (epoch === undefined) throw new Error("this log was never started: there is nothing in it");
    const open = await openingTexts(opened, sodium);
    // Before the range is chosen: whoever is told later was at work at the same time.
    const since = await newestAccess(log);
    const range = await rangeOf(target, opened, options.range, { format, scope });
    const survey = await surveyOf(log, range, options.scope, (done, of) => {
      onProgress("reading", done, of);
    });
    const tally = emptyTally();
    const source = { log, open, people: createPeople(log, open) };
    const items = itemsOf(source, survey, options.scope, range, (done, of) => {
      onProgress("writing", done, of);
    });
    const written = await writeFileOnce(file, chunksOf(format, tallied(items, tally), domain));
    const { damages, ...counts } = tally satisfies ArchiveTally;
    const { events, root } = survey;
    const run = { format, scope, epoch, ...range, events, root, ...counts, file: basename(file), ...written };
    if (reason === undefined) return { ...run, damages };
    const position = await recordArchive(target, { ...run, reason, since }).catch((error: unknown) =>
      notTold(file, error),
    );
    return { ...run, damages, position };
  } finally {
    await opened.close();
  }
};

const newestAccess = async (log: LogToRead): Promise<Revision> =>
  (await log.readStream(streamOf.access, noRevision, 1, "backwards"))[0]?.revision ?? noRevision;

/** A file that no run is of: of what another run has it goes; where the log does not answer that run may be told. */
const notTold = async (file: string, error: unknown): Promise<never> => {
  if (!isOverlap(error))
    throw new Error(
      `${file} is written, and whether the log tells of it is not known: ${reasonOf(error)}. parley audit exports lists the runs; where it is not among them delete it, and run this again`,
      { cause: error },
    );
  await rm(file);
  throw error;
};

const isOverlap = (error: unknown): boolean =>
  error instanceof ArchiveRefused || (error instanceof ServerRefused && error.code === "RUN_OVERLAPS");

const namedScope = ({ conversation, user }: ArchiveScope): Readonly<Record<string, string>> => ({
  ...(conversation === undefined ? {} : { conversation }),
  ...(user === undefined ? {} : { user }),
});

async function* itemsOf(
  source: RecordSource,
  { conversations }: Survey,
  { user }: ArchiveScope,
  range: Parameters<typeof recordsOf>[2],
  onProgress: (done: number, of: number) => void,
): AsyncGenerator<ArchiveItem> {
  for (const [index, id] of conversations.entries()) {
    onProgress(index, conversations.length);
    yield* recordsOf(source, id, range, user);
  }
}

const chunksOf = (
  format: ArchiveFormat,
  items: AsyncIterable<ArchiveItem>,
  domain: string,
): AsyncIterable<string | Buffer> =>
  format === "eml" ? zipped(mailEntries(items, domain)) : archiveText(format, items, domain);

async function* mailEntries(items: AsyncIterable<ArchiveItem>, domain: string): AsyncGenerator<ZipEntry> {
  for await (const { name, at, bytes } of archiveMails(items, domain)) yield { name, at, chunks: [bytes] };
}
