import { decodeEvent } from "../../domain/catalogue.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";
import type { GenerationReader, StoredRow } from "../ports/generations.js";
import { project } from "../registry.js";
import { readBatch } from "../read-batch.js";
import type { Key, ViewName } from "../view-change.js";
import { isSameRow, type RowPlace } from "./compare.js";

/** A row that is not the same in two generations at one position of the log, for good. */
export type Difference = RowPlace & {
  readonly position: Position;
  readonly live: StoredRow | undefined;
  readonly built: StoredRow | undefined;
};

export type SettleOptions = {
  readonly source: Pick<EventSource, "readAll">;
  readonly live: GenerationReader;
  readonly built: GenerationReader;
  /** Brings the built generation at least to the position. */
  readonly bringTo: (position: Position) => Promise<void>;
  /** Up to where rows of the live one may be: its checkpoint, where it writes that with them. */
  readonly liveMayHold?: () => Promise<Position>;
};

/** Rows looked at again together. */
const sliceRows = 200;
/** A row in which something happens without a pause is looked at so often; then it is said to differ. */
const roundsMax = 50;

/**
 * Looks again at rows that differed while the live generation was written, until they agree, or differ though no event
 * between the two looks concerns them.
 */
export const settle = async (options: SettleOptions, places: readonly RowPlace[]): Promise<readonly Difference[]> => {
  const found: Difference[] = [];
  for (let from = 0; from < places.length; from += sliceRows)
    found.push(...(await settleSlice(options, places.slice(from, from + sliceRows))));
  return found;
};

const settleSlice = async (options: SettleOptions, slice: readonly RowPlace[]): Promise<readonly Difference[]> => {
  const forGood: Difference[] = [];
  let open = slice;
  for (let round = 1; open.length > 0; round += 1) {
    const before = await positionOf(options.live);
    const ours = await rowsAt(options.live, open);
    await options.bringTo(await (options.liveMayHold?.() ?? positionOf(options.live)));
    const theirs = await rowsAt(options.built, open);
    const position = await positionOf(options.built);
    const differing = open.filter(
      (place) => !isSameRow(place.view, ours.get(nameOf(place)), theirs.get(nameOf(place))),
    );
    const moved = differing.length === 0 ? new Set<string>() : await touchedBetween(options.source, before, position);
    const isStill = (place: RowPlace) => round >= roundsMax || !moved.has(nameOf(place));
    for (const place of differing.filter(isStill))
      forGood.push({ ...place, position, live: ours.get(nameOf(place)), built: theirs.get(nameOf(place)) });
    open = differing.filter((place) => !isStill(place));
  }
  return forGood;
};

const positionOf = async (reader: GenerationReader): Promise<Position> =>
  (await reader.checkpoint())?.position ?? noPosition;

const rowsAt = async (
  reader: GenerationReader,
  places: readonly RowPlace[],
): Promise<ReadonlyMap<string, StoredRow>> => {
  const keys = new Map<ViewName, Key[]>();
  for (const { view, key } of places) keys.set(view, [...(keys.get(view) ?? []), key]);
  const rows = new Map<string, StoredRow>();
  for (const [view, ofView] of keys)
    for (const row of await reader.rowsAt(view, ofView)) rows.set(nameOf({ view, key: row.key }), row);
  return rows;
};

/** Rows that events after the one position and up to the other change. */
const touchedBetween = async (
  source: SettleOptions["source"],
  after: Position,
  upTo: Position,
): Promise<ReadonlySet<string>> => {
  const names = new Set<string>();
  for (let from = after; from < upTo;) {
    const { events } = await readBatch(source, from, 2_000);
    const last = events.at(-1);
    if (last === undefined) break;
    for (const event of events)
      if (event.position <= upTo) for (const change of project(decodeEvent(event), event)) names.add(nameOf(change));
    from = last.position;
  }
  return names;
};

/** No id holds a NUL. */
const nameOf = ({ view, key }: RowPlace): string => [view, ...key].join("\0");
