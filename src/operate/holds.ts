import { randomUUID } from "node:crypto";
import { activeHolds, readHolds, releaseHoldIn, setHoldIn, type Hold, type NewHold } from "../commands/holds.js";
import type { EventLog } from "../commands/ports.js";
import type { ByOperator } from "../domain/kernel/by.js";
import type { Position } from "../domain/kernel/stream.js";
import { operator, withLogOf, withLogOfEngines } from "./access.js";
import { withServerOrLock } from "./admin.js";
import { openToRead } from "./open.js";
import type { Target } from "./target.js";

export type { NewHold } from "../commands/holds.js";

/** A hold, and whether it holds now. */
export type ListedHold = Hold & { readonly active: boolean };

/** Oldest first. */
export const listHolds = async (target: Target): Promise<readonly ListedHold[]> => {
  const { log, close } = await openToRead(target);
  try {
    const holds = await readHolds(log);
    const active = new Set(activeHolds(holds, Date.now()));
    return holds.map((hold) => ({ ...hold, active: active.has(hold) }));
  } finally {
    await close();
  }
};

/** @throws (rejects) HoldRefused or ServerRefused with its code, NotThere */
export const setHold = (target: Target, hold: NewHold): Promise<Position> =>
  change(target, "hold.set", setHoldIn, hold);

/** @throws (rejects) HoldRefused or ServerRefused with its code, NotThere */
export const releaseHold = (
  target: Target,
  release: { readonly case: string; readonly reason: string },
): Promise<Position> => change(target, "hold.release", releaseHoldIn, release);

const change = <A extends object>(
  target: Target,
  call: string,
  changing: (...given: Parameters<typeof setHoldIn>) => (what: A, by: ByOperator) => Promise<Position>,
  what: A,
): Promise<Position> => {
  const by = operator();
  const write = (log: EventLog): Promise<Position> => changing(log, Date.now, { uuid: randomUUID })(what, by);
  return target.profile === "embedded"
    ? withServerOrLock(target.dir, {
        running: (callServer) => callServer<Position>(call, { ...what, by }),
        stopped: () => withLogOf(target.dir, write),
      })
    : withLogOfEngines(target, write);
};
