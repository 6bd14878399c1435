/** The log told again to projections, beside the live ones, which it never touches. */
import type { Position, RecordedEvent } from "../../domain/kernel/stream.js";
import { asPosition, noPosition } from "../../domain/kernel/stream.js";
import { decodeEvent } from "../../domain/catalogue.js";
import { discardViews } from "../../infra/view-store/sqlite/older-views.js";
import { openScratch } from "../../infra/view-store/sqlite/scratch.js";
import type { SqliteViews } from "../../infra/view-store/sqlite/views-file.js";
import { rowsNames, viewsOfNames, type RowsName } from "../../projections/named.js";
import { project } from "../../projections/registry.js";
import { startCapture } from "../../projections/replay/capture.js";
import { captureFormat, captureVersion, type CaptureHead } from "../../projections/replay/capture-format.js";
import { turnsOf } from "../../projections/replay/turns.js";
import { openToRead } from "../open.js";
import { pagesOf } from "../pages.js";
import type { LogToRead, Target } from "../target.js";
import { createCaptureFile, refuseCaptured } from "./capture-file.js";

/** `delivery`: all views are followed, since its follow-ups have their numbers, and none need be kept. */
export type ReplayName = RowsName | "delivery" | "all";
export const replayNames: readonly ReplayName[] = ["all", ...rowsNames, "delivery"];

export type ReplayOptions = {
  readonly name: ReplayName;
  /** The first event whose effects are captured; the views are always made from the log's first event. */
  readonly from?: number;
  /** The last event; the log's head by default. */
  readonly to?: number;
  /** A scratch file of views: a new one, or one to go on with. */
  readonly into?: string;
  /** A new file for the effects of delivery. */
  readonly capture?: string;
  readonly onProgress: (done: number, of: number) => void;
  /** Another build's, for tests. */
  readonly project?: typeof project;
};

export type Replayed = {
  readonly from: number;
  readonly to: number;
  /** Events that were projected; fewer than `to` where a scratch copy went on. */
  readonly events: number;
  readonly into?: string;
  readonly capture?: string;
  readonly effects?: number;
};

/** What was asked does not fit the log or the scratch copy. The message says what does. */
export class ReplayRefused extends Error {}

/** @throws (rejects) ReplayRefused, ScratchRefused, CaptureRefused, NotThere, UnreadableEvent, and what the log and files throw */
export const replay = async (target: Target, options: ReplayOptions): Promise<Replayed> => {
  if (options.capture !== undefined) refuseCaptured(options.capture);
  const log = await openToRead(target);
  try {
    const epoch = (await log.epoch()) ?? null;
    const head = await log.log.head();
    const [from, to] = [options.from ?? 1, options.to ?? head];
    if (to > head) throw new ReplayRefused(`--to ${to} is beyond the log's end at ${head}`);
    if (from > to) throw new ReplayRefused(`--from ${from} is after --to ${to}`);
    return await withScratch(options, (scratch) =>
      run(log.log, scratch, epoch, { ...options, from: asPosition(from), to: asPosition(to) }),
    );
  } finally {
    await log.close();
  }
};

const withScratch = async <A>(
  { name, into, capture }: ReplayOptions,
  body: (scratch: SqliteViews) => Promise<A>,
): Promise<A> => {
  const path = into ?? `${capture ?? ""}.views`;
  // What a killed replay left of a copy that nobody asked for.
  if (into === undefined) discardViews(path);
  const scratch = openScratch(path, Math.max(0, replayNames.indexOf(name === "delivery" ? "all" : name)));
  try {
    return await body(scratch);
  } finally {
    scratch.close();
    if (into === undefined) discardViews(path);
  }
};

type Bounds = { readonly from: Position; readonly to: Position };

const run = async (
  log: LogToRead,
  scratch: SqliteViews,
  epoch: string | null,
  options: ReplayOptions & Bounds,
): Promise<Replayed> => {
  const { name, from, to, into, capture, onProgress } = options;
  const begun = scratch.checkpoint();
  if (begun !== undefined && begun.epoch !== (epoch ?? ""))
    throw new ReplayRefused(`${into ?? ""} is a scratch copy of another log: name another file with --into`);
  const at = begun?.position ?? noPosition;
  if (at > to) throw new ReplayRefused(`${into ?? ""} is at ${at} already, beyond --to ${to}`);
  const wanted = new Set(viewsOfNames(name === "all" || name === "delivery" ? rowsNames : [name]));
  const projecting = options.project ?? project;
  let events = 0;
  const apply = (page: readonly RecordedEvent[]): void => {
    const last = page.at(-1);
    if (last === undefined) return;
    const changes = page.flatMap((recorded) => projecting(decodeEvent(recorded), recorded));
    scratch.apply(
      changes.filter(({ view }) => wanted.has(view)),
      { position: last.position, epoch: epoch ?? "" },
    );
    events += page.length;
    onProgress(last.position, to);
  };
  const done = { from, to, ...(into === undefined ? {} : { into }) };
  if (capture === undefined) {
    for await (const page of pagesOf(log, at, to)) apply(page);
    return { ...done, events };
  }
  const before = asPosition(from - 1);
  if (at > before)
    throw new ReplayRefused(
      `${into ?? ""} is at ${at} already: effects from ${from} on need one that is not beyond it`,
    );
  for await (const page of pagesOf(log, at, before)) apply(page);
  const effects = await captureTo(capture, log, scratch, apply, { epoch, from, to });
  return { ...done, events, capture, effects };
};

const later =
  <Args extends readonly unknown[], A>(read: (...args: Args) => A) =>
  (...args: Args): Promise<A> =>
    Promise.resolve(read(...args));

const captureTo = async (
  path: string,
  log: LogToRead,
  scratch: SqliteViews,
  apply: (page: readonly RecordedEvent[]) => void,
  { epoch, from, to }: Bounds & Pick<CaptureHead, "epoch">,
): Promise<number> => {
  const { receiptCounts, summaries, touchedSince, members, membershipSteps } = scratch.reads;
  const reads = {
    receiptCounts: later(receiptCounts),
    summaries: later(summaries),
    touchedSince: later(touchedSince),
    members: later(members),
    membershipSteps: later(membershipSteps),
  };
  const before = asPosition(from - 1);
  const capture = startCapture({ source: log, reads, project: apply }, before);
  const head: CaptureHead = {
    kind: "head",
    format: captureFormat,
    version: captureVersion,
    projection: "delivery",
    from,
    to,
    epoch,
  };
  const file = await createCaptureFile(path, head);
  try {
    for await (const turn of turnsOf(pagesOf(log, before, to))) await file.add(await capture.turn(turn));
    return await file.finish();
  } finally {
    capture.stop();
    await file.close();
  }
};
