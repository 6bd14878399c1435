import type { Position } from "../../domain/kernel/stream.js";
import type { ViewReads } from "../../projections/ports/view-store.js";

/** The views that readers are served from, beside their projectors. */
export type LiveViews = { readonly reads: ViewReads; readonly reached: () => Promise<Position> };
