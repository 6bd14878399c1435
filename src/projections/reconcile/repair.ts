import { decodeEvent } from "../../domain/catalogue.js";
import type { Position, RecordedEvent } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";
import { rowName, type Replacement } from "../ports/stored-rows.js";
import type { Checkpoint } from "../ports/view-store.js";
import { project } from "../registry.js";
import type { ViewChange } from "../view-change.js";

export type RepairDependencies = {
  readonly source: Pick<EventSource, "readAll">;
  /** Of the store whose only writer calls this, in the same turn as its other writes. */
  readonly checkpoint: () => Checkpoint | undefined;
  readonly replace: (replacements: readonly Replacement[], changes: readonly ViewChange[]) => void;
};

/** The views have gone on too far since the rows were recomputed: look again. */
export class MovedOn extends Error {
  constructor(at: Position, reached: Position) {
    super(`the rows were recomputed as of ${at}, and the views are at ${reached} by now: run it again`);
    this.name = "MovedOn";
  }
}

const pageSize = 500;
/** Positions between a look and its repair: some seconds of a busy server. */
const behindMax = 100_000;

/**
 * Replaces rows by what they have to be as of `at`, and joins what the events since then did to them, up to the store's
 * own checkpoint: so a row may become less than it was, and loses nothing that was projected meanwhile. From the last
 * look at the checkpoint to the write there is no turn in which another batch could be written.
 *
 * @throws MovedOn, UnreadableEvent, and what the log and the store throw; nothing is written then
 */
export const repairRows = async (
  { source, checkpoint, replace }: RepairDependencies,
  at: Position,
  replacements: readonly Replacement[],
): Promise<void> => {
  const changesIn = changesOfRows(new Set(replacements.map(rowName)));
  const changes: ViewChange[] = [];
  let position = at;
  for (;;) {
    const reached = checkpoint()?.position ?? at;
    if (reached < at || reached - at > behindMax) throw new MovedOn(at, reached);
    if (position >= reached) break;
    const page = await source.readAll(position, pageSize);
    changes.push(...changesIn(page));
    const last = page.at(-1);
    if (last === undefined) break;
    position = last.position;
  }
  replace(replacements, changes);
};

const changesOfRows =
  (names: ReadonlySet<string>) =>
  (events: readonly RecordedEvent[]): readonly ViewChange[] =>
    events
      .flatMap((recorded) => project(decodeEvent(recorded), recorded))
      .filter((change) => names.has(rowName(change)));

/** What the log up to its end, as it is now, says has been done to rows since a position. */
export const changesSince = async (
  source: Pick<EventSource, "readAll">,
  at: Position,
  names: ReadonlySet<string>,
): Promise<readonly ViewChange[]> => {
  const changesIn = changesOfRows(names);
  const changes: ViewChange[] = [];
  let position = at;
  while (names.size > 0) {
    const page = await source.readAll(position, pageSize);
    changes.push(...changesIn(page));
    position = page.at(-1)?.position ?? position;
    if (page.length < pageSize) break;
  }
  return changes;
};
