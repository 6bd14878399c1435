import { decodeEvent } from "../../../src/domain/catalogue.js";
import { asPosition } from "../../../src/domain/kernel/stream.js";
import type { OpenContent } from "../../../src/projections/ports/open-content.js";
import type { ViewReads } from "../../../src/projections/ports/view-store.js";
import { project } from "../../../src/projections/registry.js";
import { logOf } from "../../kit/arbitraries.js";
import { withCoreStore } from "../../kit/sqlite-views.js";

export type Wishes = Parameters<typeof logOf>[0];

export const as = (userId: string) => ({ userId, deviceId: "phone" });

/** Sealing is off in these logs: what was sealed is the text itself. */
export const open: OpenContent = (_messageId, { data }) => Promise.resolve(data);

/** Views of the log in which the wishes came true. */
export const withLog = <A>(wishes: Wishes, body: (reads: ViewReads) => Promise<A>): Promise<A> =>
  withCoreStore(async (store) => {
    const changes = logOf(wishes).flatMap((recorded) => project(decodeEvent(recorded), recorded));
    await store.apply(changes, { position: asPosition(1), epoch: "e" });
    return body(store.reads);
  });
