import type { Position } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";
import type { StoredRow } from "../ports/generations.js";
import type { Key, ViewName } from "../view-change.js";
import { isSameRow } from "./compare.js";
import { rowFromLog, type ProvingEvent } from "./row-from-log.js";
import type { Difference } from "./settle.js";

/** A row that differs, with what the log says of it. Sealed texts stay sealed. */
export type Sample = {
  readonly view: ViewName;
  readonly key: Key;
  /** Of the log, up to which the row was looked at. */
  readonly position: Position;
  readonly live: StoredRow | null;
  readonly built: StoredRow | null;
  /** What the events make of it, folded one by one. */
  readonly log: StoredRow | null;
  /** Which of the two is what the log says. */
  readonly right: "live" | "built" | "neither";
  /** The newest events that concern the row, oldest first, of `eventCount`. */
  readonly events: readonly ProvingEvent[];
  readonly eventCount: number;
};

/** @throws (rejects) LogError */
export const sampleOf = async (source: Pick<EventSource, "readStream">, difference: Difference): Promise<Sample> => {
  const { view, key, position, live, built } = difference;
  const { row, events, eventCount } = await rowFromLog(source, difference, position);
  const right = isSameRow(view, row, built) ? "built" : isSameRow(view, row, live) ? "live" : "neither";
  return { view, key, position, live: live ?? null, built: built ?? null, log: row ?? null, right, events, eventCount };
};
