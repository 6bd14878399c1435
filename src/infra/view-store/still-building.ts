import type { Position } from "../../domain/kernel/stream.js";

/** Why views are not to be read that do not hold yet what the log held when this process opened them. */
export const stillBuilding = (position: Position, opened: Position): string | undefined =>
  position >= opened
    ? undefined
    : `they are being built: at ${position} of ${opened}, where the log ended when this process opened them`;
