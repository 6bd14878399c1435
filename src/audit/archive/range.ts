import type { Position } from "../../domain/kernel/stream.js";

/**
 * What stands after `after` (0, or the position of an event) up to and with the event at `upTo`. Ranges of which each
 * begins where the one before ended tile a log; neither end names a place where no event is, which not every store knows.
 */
export type PositionRange = { readonly after: Position; readonly upTo: Position };
