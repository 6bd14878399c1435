import { describe, expect, it, onTestFinished, vi } from "vitest";
import { E, type Either } from "../../../src/domain/kernel/fp.js";
import { reject, type Rejection } from "../../../src/domain/rejections.js";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import type { Application } from "../../../src/gateway/ports.js";
import { createCatchUp } from "../../../src/gateway/access/catch-up.js";
import { createQueries } from "../../../src/projections/queries/create.js";
import type { EventSource } from "../../../src/projections/ports/event-source.js";
import type { ViewStore } from "../../../src/projections/ports/view-store.js";
import type { SyncResult } from "../../../src/projections/queries/queries.js";
import { settled } from "../../kit/turns.js";
import { createApp } from "../session/dispatch-kit.js";
import { asPosition, noPosition, type Position } from "../../../src/domain/kernel/stream.js";

const result: SyncResult = {
  ...{ epoch: "epoch-1", reset: false, serverTime: 1 },
  ...{ conversations: [], newConversations: [], left: [] },
};
const behind: Either<Rejection, undefined> = E.left(reject("UNAVAILABLE", "The views are behind."));
const phoneOf = (userId: string) => ({ userId, deviceId: "phone" });

/** Waits and reads go on when the test says so. */
const createStanding = () => {
  const waiting: { readonly position: number; readonly end: (answer: Either<Rejection, undefined>) => void }[] = [];
  const reading: { readonly userId: string; readonly head: number; readonly end: () => void }[] = [];
  const { app: real } = createApp();
  const app: Application = {
    ...real,
    queries: {
      ...real.queries,
      awaitCaughtUp: (position) => new Promise((end) => waiting.push({ position, end })),
      sync: ({ userId }, _request, head) =>
        new Promise((resolve) =>
          reading.push({
            userId,
            head,
            end: () => {
              resolve(E.right(result));
            },
          }),
        ),
    },
  };
  const views = {
    catchUp: async () => {
      await settled();
      for (const { end } of waiting.splice(0)) end(E.right(undefined));
      await settled();
    },
    giveUp: async () => {
      await settled();
      for (const { end } of waiting.splice(0)) end(behind);
      await settled();
    },
  };
  return { app, catchUp: createCatchUp(app), waiting, reading, views };
};

describe("a sync", () => {
  it("waits for the views without a place: however many wait, all are answered as soon as one", async () => {
    const { catchUp, waiting, views } = createStanding();
    const count = bounds.catchUpsAtOnceMax * 4;
    const answers = Array.from({ length: count }, (_, index) => catchUp.sync(phoneOf(`user${index}`), {}));
    await settled();
    expect(waiting).toHaveLength(count);
    await views.giveUp();
    for (const answer of await Promise.all(answers)) expect(answer).toEqual(behind);
  });

  it("is read at the head of its arrival, and its views are waited for once", async () => {
    const waits: number[] = [];
    let head = 10;
    const source = { head: () => Promise.resolve(asPosition(head++)) } as Partial<EventSource> as EventSource;
    const reads: Partial<ViewStore["reads"]> = {
      touchedSince: () => Promise.resolve([]),
      summaries: () => Promise.resolve([]),
    };
    const store = { reads } as Partial<ViewStore> as ViewStore;
    const awaitCaughtUp = (position: number) => Promise.resolve(waits.push(position) > 0);
    const queries = createQueries({
      ...{
        source,
        views: { store, awaitCaughtUp, reached: () => asPosition(10), opened: noPosition, problem: () => undefined },
      },
      ...{ open: () => Promise.resolve(null), epoch: "epoch-1", clock: () => 1 },
    });
    const catchUp = createCatchUp({ ...createApp().app, head: source.head, queries });
    expect(E.isRight(await catchUp.sync(phoneOf("alice"), {}))).toBe(true);
    expect(waits).toEqual([10]);
    expect(head).toBe(11);
  });

  it("of another has its turn next, however many one user has waiting", async () => {
    const { catchUp, reading, views } = createStanding();
    const mallory = Array.from({ length: bounds.catchUpsOfUserMax }, () => catchUp.sync(phoneOf("mallory"), {}));
    await views.catchUp();
    expect(reading).toHaveLength(bounds.catchUpsAtOnceMax);
    const alice = catchUp.sync(phoneOf("alice"), {});
    const bob = catchUp.sync(phoneOf("bob"), {});
    await views.catchUp();
    for (const [index, { end }] of reading.entries()) if (index < 3) end();
    await settled();
    const next = reading.slice(bounds.catchUpsAtOnceMax).map(({ userId }) => userId);
    expect(next).toEqual(["mallory", "alice", "bob"]);
    while (reading.length > 0) {
      for (const { end } of reading.splice(0)) end();
      await settled();
    }
    for (const answer of await Promise.all([...mallory, alice, bob])) expect(answer).toEqual(E.right(result));
  });

  it("of one who has too many at once is refused with a time to come back, and nobody else's is", async () => {
    const { catchUp, waiting } = createStanding();
    const count = bounds.catchUpsOfUserMax;
    for (let index = 0; index < count; index++) void catchUp.sync(phoneOf("mallory"), {});
    for (let index = 0; index < bounds.catchUpsWaitingMax; index++)
      expect(await catchUp.sync({ userId: "mallory", deviceId: `d${index % 5}` }, {})).toMatchObject({
        left: { code: "UNAVAILABLE", retryAfter: expect.any(Number) as number },
      });
    void catchUp.sync(phoneOf("alice"), {});
    await settled();
    expect(waiting).toHaveLength(count + 1);
  });
});

it("a wait that fails beside a page that is tried fails this sync, and not the process", async () => {
  const { app } = createStanding();
  const unheard = vi.fn();
  process.on("unhandledRejection", unheard);
  onTestFinished(() => void process.off("unhandledRejection", unheard));
  const turns = { left: 3 };
  const queries: Application["queries"] = {
    ...app.queries,
    awaitCaughtUp: () => Promise.reject(new Error("the views cannot be asked")),
    syncAhead: async () => {
      while (turns.left-- > 0) await settled();
      return undefined;
    },
  };
  await expect(createCatchUp({ ...app, queries }).sync(phoneOf("alice"), {})).rejects.toThrow("cannot be asked");
  expect(unheard).not.toHaveBeenCalled();
});

describe("a read of one's own writes", () => {
  it("waits for them and for the head at the same time: once, not twice", async () => {
    const { app, waiting, views } = createStanding();
    const catchUp = createCatchUp({ ...app, head: () => Promise.resolve(asPosition(20)) });
    catchUp.wrote("alice", asPosition(10));
    const visible = catchUp.ownWritesVisible(phoneOf("alice"));
    await settled();
    expect(waiting.map(({ position }) => position)).toEqual([10, 20]);
    await views.catchUp();
    expect(await visible).toEqual(E.right(undefined));
  });

  it("is answered though the head is not reached, and refused when they are not", async () => {
    const { app, waiting } = createStanding();
    const catchUp = createCatchUp({ ...app, head: () => Promise.resolve(asPosition(20)) });
    catchUp.wrote("alice", asPosition(10));
    const ends = (position: number, answer: Either<Rejection, undefined>) => {
      waiting.find((one) => one.position === position)?.end(answer);
    };
    const read = async (own: Either<Rejection, undefined>) => {
      const visible = catchUp.ownWritesVisible(phoneOf("alice"));
      await settled();
      ends(10, own);
      ends(20, behind);
      waiting.length = 0;
      return visible;
    };
    expect(await read(E.right(undefined))).toEqual(E.right(undefined));
    expect(await read(behind)).toEqual(behind);
  });

  it("waits for others' writes a moment only, and not at all while the views are known to lag", async () => {
    const { app, waiting, views } = createStanding();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const catchUp = createCatchUp({ ...app, head: () => Promise.resolve(asPosition(20)) });
    /** The own writes are there: none. */
    const read = async () => {
      const visible = catchUp.ownWritesVisible(phoneOf("alice"));
      await settled();
      for (const one of waiting) if (one.position === 0) one.end(E.right(undefined));
      return visible;
    };
    const waitsForHead = () => waiting.filter(({ position }) => position === 20).length;
    const first = read();
    await settled();
    vi.advanceTimersByTime(bounds.headWaitMsMax);
    expect(await first).toEqual(E.right(undefined));
    for (let count = 0; count < 2_000; count++) expect(await read()).toEqual(E.right(undefined));
    expect(waitsForHead()).toBe(1);
    await views.catchUp();
    const next = read();
    await settled();
    expect(waitsForHead()).toBe(1);
    await views.catchUp();
    expect(await next).toEqual(E.right(undefined));
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits a moment only for a log that does not answer, and is answered when it cannot be asked", async () => {
    const { app } = createStanding();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    let asked = 0;
    let fail: (error: Error) => void = () => undefined;
    const head = () => {
      asked++;
      return new Promise<Position>((_resolve, reject) => (fail = reject));
    };
    const queries = { ...app.queries, awaitCaughtUp: () => Promise.resolve(E.right(undefined)) };
    const catchUp = createCatchUp({ ...app, queries, head });
    const read = () => catchUp.ownWritesVisible(phoneOf("alice"));
    const first = read();
    vi.advanceTimersByTime(bounds.headWaitMsMax);
    expect(await first).toEqual(E.right(undefined));
    expect(await read()).toEqual(E.right(undefined));
    expect(asked).toBe(1);
    fail(new Error("the log is away"));
    await settled();
    const next = read();
    fail(new Error("the log is away"));
    expect(await next).toEqual(E.right(undefined));
    expect(asked).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});
