import type { Position } from "../../domain/kernel/stream.js";

/** Positions from `from` up to, not including, `to`: ranges that meet tile a log. */
export type PositionRange = { readonly from: Position; readonly to: Position };
