import { describe, expect, it } from "vitest";
import type { EventSource } from "../../../src/projections/ports/event-source.js";
import type { ViewStore } from "../../../src/projections/ports/view-store.js";
import { createQueries } from "../../../src/projections/queries/create.js";
import type { Queries } from "../../../src/projections/queries/queries.js";
import { asPosition, noPosition } from "../../../src/domain/kernel/stream.js";

const actor = { userId: "alice", deviceId: "phone" };
const page = { limit: 10 };
const all: { readonly [Name in keyof Queries]: (queries: Queries) => Promise<unknown> } = {
  awaitCaughtUp: (queries) => queries.awaitCaughtUp(noPosition),
  inbox: (queries) => queries.inbox(actor, page),
  summary: (queries) => queries.summary(actor, "g_1"),
  members: (queries) => queries.members(actor, "g_1", page),
  history: (queries) => queries.history(actor, "g_1", page),
  receipts: (queries) => queries.receipts(actor, "g_1", "m", page),
  sync: (queries) => queries.sync(actor, {}, noPosition),
  syncAhead: (queries) => queries.syncAhead(actor, {}, asPosition(1), noPosition),
  me: (queries) => queries.me(actor),
  user: (queries) => queries.user("bob"),
};

/** Views that hold nothing, and what was asked of them. */
const setUp = (views: { opened: number; problem?: string; reaches: boolean }) => {
  let asked = 0;
  const waits: number[] = [];
  const empty = new Proxy({} as ViewStore["reads"], {
    get: () => () => {
      asked += 1;
      return Promise.resolve([]);
    },
  });
  const state = { ...views };
  const queries = createQueries({
    source: {} as EventSource,
    views: {
      store: { reads: empty } as Partial<ViewStore> as ViewStore,
      opened: asPosition(views.opened),
      reached: () => noPosition,
      problem: () => state.problem,
      awaitCaughtUp: (position) => {
        waits.push(position);
        if (state.reaches) delete state.problem;
        return Promise.resolve(state.reaches);
      },
    },
    ...{ open: () => Promise.resolve(null), epoch: "e", clock: () => 1 },
  });
  return { queries, waits, asked: () => asked };
};
const refused = { _tag: "Left", left: { code: "UNAVAILABLE", retryAfter: 1 } };

describe("views that are not there", () => {
  it.each((Object.keys(all) as (keyof Queries)[]).filter((name) => name !== "syncAhead"))(
    "are not read: %s is UNAVAILABLE, with a time to come back",
    async (name) => {
      const { queries, asked } = setUp({ opened: 7, problem: "they are being built", reaches: false });
      expect(await all[name](queries)).toMatchObject(refused);
      expect(asked()).toBe(0);
    },
  );

  it("answer no sync ahead of its turn: it waits for them as `sync` does", async () => {
    const { queries, asked } = setUp({ opened: 7, problem: "they are being built", reaches: false });
    expect(await all.syncAhead(queries)).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it("that have stopped are not read either, however far they had come", async () => {
    const { queries, asked } = setUp({ opened: 7, problem: "stopped", reaches: false });
    expect(await queries.summary(actor, "g_1")).toMatchObject(refused);
    expect(asked()).toBe(0);
  });

  it("are waited for, and read when they come in time", async () => {
    const { queries, waits } = setUp({ opened: 7, problem: "they are being built", reaches: true });
    expect(await queries.summary(actor, "g_1")).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
    expect(waits).toEqual([7]);
    expect(await queries.awaitCaughtUp(asPosition(3))).toMatchObject({ _tag: "Right" });
    expect(waits).toEqual([7, 7]);
  });

  it("that are there are read without a wait, whatever their lag", async () => {
    const { queries, waits } = setUp({ opened: 7, reaches: false });
    expect(await queries.summary(actor, "g_1")).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
    expect(waits).toEqual([]);
  });
});
