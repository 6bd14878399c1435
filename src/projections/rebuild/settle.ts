import { decodeEvent } from "../../domain/catalogue.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";
import type { GenerationReader, StoredRow } from "../ports/generations.js";
import { project } from "../registry.js";
import { readBatch } from "../read-batch.js";
import type { Key, ViewName } from "../view-change.js";
import { holds } from "../views/stored-row.js";
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

/**
 * A row in which something happens without a pause is looked at so often. It is never seen at one position in both then,
 * but every look has to find the built one between two looks at the live one.
 */
const roundsMax = 50;

/**
 * Looks again at rows that differed while the live generation was written, all together, until they agree or differ for
 * good: though no event between the two looks concerns them, or though a row that is behind has what the one ahead lacks,
 * which no event of the log makes (`holds`).
 * @param places a few hundred at most
 */
export const settle = async (options: SettleOptions, places: readonly RowPlace[]): Promise<readonly Difference[]> => {
  const forGood: Difference[] = [];
  let open = places;
  let last: Look | undefined;
  for (let round = 1; open.length > 0 && round <= roundsMax; round += 1) {
    const ours = await lookAt(options.live, open);
    const theirs = await lookAhead(options, open);
    const behind = last !== undefined && ours.position >= last.position ? last : undefined;
    const differing = open.filter((place) => !isSameRow(place.view, ours.rowOf(place), theirs.rowOf(place)));
    const moved =
      differing.length === 0 ? new Set<string>() : await touchedBetween(options.source, ours.position, theirs.position);
    const isWrong = (place: RowPlace): boolean =>
      !moved.has(nameOf(place)) ||
      !holds(theirs.rowOf(place), ours.rowOf(place)) ||
      !holds(ours.rowOf(place), behind?.rowOf(place));
    for (const place of differing.filter(isWrong))
      forGood.push({ ...place, position: theirs.position, live: ours.rowOf(place), built: theirs.rowOf(place) });
    open = differing.filter((place) => !isWrong(place));
    last = theirs;
  }
  return forGood;
};

type Look = {
  /** All up to here is in the rows. */
  readonly position: Position;
  readonly rowOf: (place: RowPlace) => StoredRow | undefined;
};

const lookAt = async (reader: GenerationReader, places: readonly RowPlace[]): Promise<Look> => {
  const position = await positionOf(reader);
  const rows = await rowsAt(reader, places);
  return { position, rowOf: (place) => rows.get(nameOf(place)) };
};

/** The built generation, brought to where the live one's rows may be by now. */
const lookAhead = async ({ live, built, bringTo, liveMayHold }: SettleOptions, places: readonly RowPlace[]) => {
  await bringTo(await (liveMayHold?.() ?? positionOf(live)));
  const rows = await rowsAt(built, places);
  const position = await positionOf(built);
  return { position, rowOf: (place: RowPlace) => rows.get(nameOf(place)) };
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
