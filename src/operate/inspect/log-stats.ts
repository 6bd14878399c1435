import { Buffer } from "node:buffer";
import { openToRead } from "../open.js";
import { pagesOf } from "../pages.js";
import type { LogToRead, Target } from "../target.js";
import { noPosition } from "../../domain/kernel/stream.js";

type Amount = { readonly events: number; readonly bytes: number };

/** Bytes are those of the events' data and meta (UTF-8); days are UTC. */
export type LogStats = Amount & {
  /** Position of the newest event counted. */
  readonly head: number;
  readonly types: Readonly<Record<string, Amount>>;
  readonly categories: Readonly<Record<string, Amount>>;
  /** The newest days that have events, oldest first. */
  readonly days: Readonly<Record<string, Amount>>;
  /** Most events first. */
  readonly largestStreams: readonly { readonly stream: string; readonly events: number }[];
};

const largestMax = 10;
/** A hundred years. */
const daysKept = 36_600;

/**
 * Counts the whole log once. Memory is bounded by types, categories and days: a stream's size follows from its newest
 * revision, so the largest are known without a table of all. `onProgress`: positions; those of an embedded log count its
 * events, those of EventStoreDB the bytes of its file.
 * @throws (rejects) what `openToRead` and reading the log reject with
 */
export const readLogStats = async (
  target: Target,
  onProgress: (done: number, of: number) => void,
): Promise<LogStats> => {
  const { log, close } = await openToRead(target);
  try {
    return await statsOf(log, onProgress);
  } finally {
    await close();
  }
};

const statsOf = async (log: LogToRead, onProgress: (done: number, of: number) => void): Promise<LogStats> => {
  const of = await log.head();
  const [types, categories, days] = [new Map<string, Amount>(), new Map<string, Amount>(), new Map<string, Amount>()];
  const largest = createLargest(largestMax);
  let head = 0;
  let total: Amount = { events: 0, bytes: 0 };
  for await (const page of pagesOf(log, noPosition)) {
    for (const { stream, revision, type, data, meta } of page) {
      const bytes = Buffer.byteLength(data) + Buffer.byteLength(meta);
      total = plus(total, bytes);
      count(types, type, bytes);
      count(categories, categoryOf(stream), bytes);
      if (days.size < daysKept) count(days, dayOf(meta), bytes);
      largest.see(stream, revision + 1);
    }
    head = page.at(-1)?.position ?? head;
    onProgress(head, of);
  }
  return {
    ...total,
    head,
    types: byEvents(types),
    categories: byEvents(categories),
    days: Object.fromEntries([...days].sort(([a], [b]) => (a < b ? -1 : 1))),
    largestStreams: largest.all(),
  };
};

const plus = (amount: Amount, bytes: number): Amount => ({ events: amount.events + 1, bytes: amount.bytes + bytes });

const count = (table: Map<string, Amount>, name: string, bytes: number): void => {
  table.set(name, plus(table.get(name) ?? { events: 0, bytes: 0 }, bytes));
};

const byEvents = (table: ReadonlyMap<string, Amount>): Readonly<Record<string, Amount>> =>
  Object.fromEntries([...table].sort(([, a], [, b]) => b.events - a.events));

/** `conversation-d_x` → `conversation`; each of Parley's own streams is a category of its own. */
const categoryOf = (stream: string): string =>
  stream.startsWith("parley-") ? stream : stream.slice(0, Math.max(0, stream.indexOf("-"))) || stream;

/** The start of `meta` is where every version writes `at`; parsing a million metas for a number would take seconds. */
const atPattern = /"at":(\d+)/;
const dayOf = (meta: string): string => {
  const at = Number(atPattern.exec(meta)?.[1] ?? Number.NaN);
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString().slice(0, 10) : "unknown";
};

/**
 * The largest of all, with only those in memory: a stream's last event tells its whole size, and the smallest that is
 * kept only grows, so what belongs in is let in then at the latest and never driven out.
 */
const createLargest = (max: number) => {
  const kept = new Map<string, number>();
  let smallest = 0;
  const sorted = () => [...kept].sort(([, a], [, b]) => b - a);
  return {
    see: (stream: string, events: number): void => {
      if (kept.size >= max && events <= smallest) return;
      kept.set(stream, events);
      if (kept.size > max) kept.delete(sorted().at(-1)?.[0] ?? "");
      if (kept.size >= max) smallest = Math.min(...kept.values());
    },
    all: () => sorted().map(([stream, events]) => ({ stream, events })),
  };
};
