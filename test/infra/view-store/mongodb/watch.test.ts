import { afterEach, describe, expect, it } from "vitest";
import type { ViewStore } from "../../../../src/projections/ports/view-store.js";
import { looksMax, watchViews, type WatchedViews } from "../../../../src/infra/view-store/mongodb/watch.js";
import { asPosition, noPosition } from "../../../../src/domain/kernel/stream.js";

describe("the views as a gateway sees them", () => {
  let watched: WatchedViews | undefined;
  afterEach(() => {
    watched?.stop();
  });
  /** Engines that say what the test says; `looks` counts. */
  const setUp = async (given: { opened: number; position: number; head: number }) => {
    const state = { ...given, looks: 0, away: false, reached: -1 };
    const checkpoint = (): Promise<{ position: number; epoch: string }> => {
      state.looks += 1;
      return state.away
        ? Promise.reject(new Error("away"))
        : Promise.resolve({ position: asPosition(state.position), epoch: "e" });
    };
    const problems: Error[] = [];
    watched = await watchViews({
      views: {
        store: { checkpoint } as Partial<ViewStore> as ViewStore,
        awaitCaughtUp: (position) => {
          const isThere = position <= state.position;
          if (isThere) state.reached = state.position;
          return Promise.resolve(isThere);
        },
        reached: () => asPosition(state.reached),
        opened: asPosition(state.opened),
      },
      head: () => Promise.resolve(asPosition(state.head)),
      onProblem: (error) => problems.push(error),
      everyMs: 0,
    });
    const looked = async (times: number): Promise<void> => {
      const until = state.looks + times;
      await expect.poll(() => state.looks, { interval: 1 }).toBeGreaterThanOrEqual(until);
    };
    return { watched, state, problems, looked };
  };

  it("are being built until they hold what the log held when they were opened, as also a reader finds who waited", async () => {
    const {
      watched: views,
      state,
      looked,
    } = await setUp({ opened: asPosition(10), position: asPosition(4), head: 12 });
    expect(views.problem()).toContain("at 4 of 10");
    state.position = 10;
    expect(await views.awaitCaughtUp(asPosition(10), 1)).toBe(true);
    expect(views.problem()).toBeUndefined();
    await looked(2);
    expect(views.problem()).toBeUndefined();
  });

  it("are there at once where nothing is behind, and in a log that is empty", async () => {
    expect(
      (await setUp({ opened: asPosition(10), position: asPosition(10), head: 10 })).watched.problem(),
    ).toBeUndefined();
    watched?.stop();
    expect((await setUp({ opened: noPosition, position: noPosition, head: 0 })).watched.problem()).toBeUndefined();
  });

  it("stand still when the log goes on and they do not, look after look, and go on when they move", async () => {
    const {
      watched: views,
      state,
      looked,
    } = await setUp({ opened: asPosition(10), position: asPosition(10), head: 10 });
    await looked(2 * looksMax);
    expect(views.problem()).toBeUndefined();
    state.head = 12;
    await looked(looksMax + 3);
    expect(views.problem()).toContain("stand still at 10");
    state.position = 11;
    await looked(2);
    expect(views.problem()).toBeUndefined();
  });

  it("that lag but move are no problem, nor is a store that cannot be asked", async () => {
    const {
      watched: views,
      state,
      problems,
      looked,
    } = await setUp({ opened: asPosition(10), position: asPosition(10), head: 1_000 });
    for (let round = 0; round < 3 * looksMax; round += 1) {
      state.position += 1;
      await looked(2);
      expect(views.problem()).toBeUndefined();
    }
    state.away = true;
    await looked(3 * looksMax);
    expect(views.problem()).toBeUndefined();
    expect(problems.length).toBeGreaterThan(0);
  });
});
