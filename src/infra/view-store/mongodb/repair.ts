import type { Db } from "mongodb";
import type { Position } from "../../../domain/kernel/stream.js";
import { rowName, type Replacement } from "../../../projections/ports/stored-rows.js";
import type { ViewChange } from "../../../projections/view-change.js";
import { firstGeneration } from "./generations/pointer.js";
import { replaceRow } from "./stored-rows.js";
import { changesWriter } from "./writer.js";

/** What the log, read now, says has been done to rows since a position, by their names. */
export type ChangesSince = (at: Position, names: ReadonlySet<string>) => Promise<readonly ViewChange[]>;

/**
 * Puts rows right beside projectors that write them. First each row is replaced, if it is still the one that was read;
 * then the log is read, and what its events did to the rows since `at` is joined to them as a projector joins it. So
 * whatever a projector wrote to a wrong row before it was replaced comes again: its event was in the log before it was
 * written. And what a projector writes afterwards it joins to the right row. All of it in one generation of the views.
 *
 * @returns how many were replaced; the others have become others meanwhile, and are to be looked at again
 */
export const repairingIn =
  (db: Db, changesSince: ChangesSince, generation = firstGeneration) =>
  async (at: Position, replacements: readonly Replacement[]): Promise<number> => {
    const replaced = new Set<string>();
    for (const replacement of replacements)
      if (await replaceRow(db, replacement, generation)) replaced.add(rowName(replacement));
    const changes = await changesSince(at, replaced);
    await changesWriter(db, () => undefined)(changes, [generation]);
    return replaced.size;
  };
