import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { captureFormat, type CaptureHead } from "../../projections/replay/capture-format.js";

export type EffectDifference = {
  readonly position: number;
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
};
export type CaptureDiff = {
  readonly same: number;
  readonly onlyA: number;
  readonly onlyB: number;
  /** Of the first positions after which effects differ. */
  readonly samples: readonly EffectDifference[];
};

/** The two are not captures of the same events. */
export class CapturesDiffer extends Error {}

/**
 * Compares the effects after each position, line by line; their order counts.
 * @throws (rejects) CapturesDiffer for files that are no whole captures, or of different logs or ranges
 */
export const diffCaptures = async (pathA: string, pathB: string, samplesMax: number): Promise<CaptureDiff> => {
  const [a, b] = [effectsOf(pathA), effectsOf(pathB)];
  const [headA, headB] = [await headOf(a), await headOf(b)];
  for (const field of ["projection", "from", "to", "epoch"] as const)
    if (headA[field] !== headB[field])
      throw new CapturesDiffer(
        `${field} is ${headA[field]} in ${pathA} and ${headB[field]} in ${pathB}: capture both alike`,
      );
  const count = { same: 0, onlyA: 0, onlyB: 0 };
  const samples: EffectDifference[] = [];
  let [groupA, groupB] = [await a.next(), await b.next()];
  while (groupA.value !== undefined || groupB.value !== undefined) {
    const position = Math.min(groupA.value?.position ?? Infinity, groupB.value?.position ?? Infinity);
    const linesA = groupA.value?.position === position ? groupA.value.lines : [];
    const linesB = groupB.value?.position === position ? groupB.value.lines : [];
    const before = alike(linesA, linesB);
    const after = alike(linesA.slice(before).toReversed(), linesB.slice(before).toReversed());
    count.same += before + after;
    const between = (lines: readonly string[]) => lines.slice(before, lines.length - after);
    const difference = { position, onlyA: between(linesA), onlyB: between(linesB) };
    count.onlyA += difference.onlyA.length;
    count.onlyB += difference.onlyB.length;
    if (difference.onlyA.length + difference.onlyB.length > 0 && samples.length < samplesMax) samples.push(difference);
    if (groupA.value?.position === position) groupA = await a.next();
    if (groupB.value?.position === position) groupB = await b.next();
  }
  return { ...count, samples };
};

/** How many lines two lists have alike at their beginnings. */
const alike = (a: readonly string[], b: readonly string[]): number => {
  let count = 0;
  while (count < a.length && a[count] === b[count]) count += 1;
  return count;
};

type Group = { readonly position: number; readonly lines: readonly string[] };

/** The head as a group of its own, then the effects of each position. @throws CapturesDiffer where the end is missing */
async function* effectsOf(path: string): AsyncGenerator<Group, undefined> {
  let group: { position: number; lines: string[] } | undefined;
  let hasEnded = false;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const { kind, position } = parsed(path, line);
    if (kind === "end") {
      hasEnded = true;
      break;
    }
    const at = kind === "head" ? -1 : (position ?? -1);
    if (group !== undefined && group.position !== at) {
      yield group;
      group = undefined;
    }
    group ??= { position: at, lines: [] };
    group.lines.push(line);
  }
  if (!hasEnded) throw new CapturesDiffer(`${path} is no whole capture: it has no end`);
  if (group !== undefined) yield group;
  return undefined;
}

const headOf = async (effects: AsyncGenerator<Group, undefined>): Promise<CaptureHead> => {
  const first = await effects.next();
  return JSON.parse(first.value?.lines[0] ?? "{}") as CaptureHead;
};

const parsed = (path: string, line: string): { readonly kind?: string; readonly position?: number } => {
  try {
    return JSON.parse(line) as { readonly kind?: string; readonly position?: number };
  } catch {
    throw new CapturesDiffer(`${path} is no capture: it has a line that is no JSON`);
  }
};

/** Whether a file begins as captures do. */
export const isCapture = async (path: string): Promise<boolean> => {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity }))
    return line.includes(`"format":"${captureFormat}"`);
  return false;
};
