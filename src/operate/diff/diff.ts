/** Two generations of the views, or two captures, compared. */
import { existsSync } from "node:fs";
import { generationPath, readGenerationList } from "../../infra/view-store/sqlite/generation-files.js";
import { compareKeys } from "../../infra/view-store/sqlite/generation-rows.js";
import { isSqlite, openRowsFile, type RowsFile } from "../../infra/view-store/sqlite/scratch.js";
import type { Closers } from "../../profiles/close-all.js";
import { rowsNames, viewsOfNames } from "../../projections/named.js";
import { diffRows, type RowsDiff, type Side } from "../../projections/diff/rows.js";
import { closeQuietly } from "../doctor/probe.js";
import { openToRead } from "../open.js";
import { replayNames } from "../replay/replay.js";
import type { Target } from "../target.js";
import { diffCaptures, isCapture, type CaptureDiff } from "./captures.js";

export type Diff = ({ readonly of: "rows" } & RowsDiff) | ({ readonly of: "effects" } & CaptureDiff);
export type { RowDifference } from "../../projections/diff/rows.js";
export type { EffectDifference } from "./captures.js";

/** What is named is no such thing, or the two cannot be compared. The message says what can. */
export class DiffRefused extends Error {}

export const differs = (diff: Diff): boolean =>
  diff.of === "effects"
    ? diff.onlyA + diff.onlyB > 0
    : diff.isCut || diff.views.some(({ onlyA, onlyB, different }) => onlyA + onlyB + different > 0);

/**
 * @param a, b each `live`, a scratch file of views, or a capture; both captures or both views
 * @throws (rejects) DiffRefused, CapturesDiffer, TooFarApart, NotThere and what is thrown by files and engines
 */
export const diff = async (
  target: Target,
  [a, b]: readonly [string, string],
  options: { readonly samples: number; readonly onRows: (rows: number) => void },
): Promise<Diff> => {
  const captures = [await isCaptureFile(a), await isCaptureFile(b)];
  if (captures.every(Boolean)) return { of: "effects", ...(await diffCaptures(a, b, options.samples)) };
  if (captures.some(Boolean)) throw new DiffRefused("A capture is compared with another capture");
  const closers: Closers = [];
  try {
    const { log, close, epoch } = await openToRead(target);
    closers.push(close);
    const logEpoch = (await epoch()) ?? "";
    const sides = [await openSide(target, a, closers), await openSide(target, b, closers)] as const;
    for (const [index, { side }] of sides.entries()) {
      const checkpoint = await side.checkpoint();
      if (checkpoint !== undefined && checkpoint.epoch !== logEpoch)
        throw new DiffRefused(`${index === 0 ? a : b} was made from another log than the one named`);
    }
    const views = viewsOfNames(rowsNames.filter((name) => sides.every(({ has }) => has.includes(name))));
    const found = await diffRows(sides[0].side, sides[1].side, {
      source: log,
      views,
      compare: compareKeys,
      samples: options.samples,
      onRows: options.onRows,
    });
    return { of: "rows", ...found };
  } finally {
    await closeQuietly(closers);
  }
};

const isCaptureFile = async (name: string): Promise<boolean> => {
  if (name === "live") return false;
  if (!existsSync(name)) throw new DiffRefused(`There is no ${name}: name live, a scratch file of views or a capture`);
  return !isSqlite(name) && (await isCapture(name));
};

type Opened = { readonly side: Side; readonly has: readonly (typeof rowsNames)[number][] };

const openSide = async (target: Target, name: string, closers: Closers): Promise<Opened> => {
  if (name !== "live") {
    if (!isSqlite(name)) throw new DiffRefused(`${name} is neither views nor a capture`);
    const file = ofFile(name, closers);
    const kind = file.scratchKind === undefined ? undefined : replayNames[file.scratchKind];
    return { side: file.side, has: rowsNames.filter((each) => kind === undefined || kind === "all" || kind === each) };
  }
  if (target.profile === "embedded")
    return {
      side: ofFile(generationPath(target.dir, readGenerationList(target.dir).live), closers).side,
      has: rowsNames,
    };
  const { openLiveSide } = await import("./distributed.js");
  return { side: await openLiveSide(target.config, closers), has: rowsNames };
};

const ofFile = (path: string, closers: Closers): RowsFile => {
  const file = openRowsFile(path);
  closers.push(file.close);
  return file;
};
