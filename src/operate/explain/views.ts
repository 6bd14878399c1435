import type { Position } from "../../domain/kernel/stream.js";
import type { ViewReads } from "../../projections/ports/view-store.js";

/** The views that readers are served from, beside their projectors. */
export type LiveViews = { readonly reads: ViewReads; readonly reached: () => Promise<Position> };

/** With the incarnation of the log that they were made from; undefined before their first event. */
export type OpenedLiveViews = LiveViews & { readonly epoch: () => Promise<string | undefined> };
