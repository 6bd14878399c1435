import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createHub, type HubConnection } from "../../../src/gateway/connections/hub.js";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import { createRemovals, type Removals } from "../../../src/gateway/connections/removals.js";

const removed = { code: 4401, reason: "device removed" };
const away = new Error("the log is away");
let removals: Removals;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  removals.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const start = (mayStay: (connection: HubConnection) => Promise<boolean>) => {
  const hub = createHub();
  const unanswered: unknown[] = [];
  removals = createRemovals({ hub, mayStay, onUnanswered: (error) => void unanswered.push(error), random: () => 1 });
  const connect = (userId: string, deviceId = "phone") => {
    const closed: { readonly code: number; readonly reason: string }[] = [];
    const connection: HubConnection = {
      ...{ connectionId: `${userId}/${deviceId}`, actor: { userId, deviceId }, deviceType: "web" },
      send: () => undefined,
      close: (code, reason) => void closed.push({ code, reason }),
    };
    hub.register(connection);
    return { connection, closed };
  };
  return { hub, connect, unanswered };
};
/** Everything that is not held up by a timer. */
const settled = () => vi.advanceTimersByTimeAsync(0);

describe("a removal", () => {
  it("that is told ends the device by the log's own no, and one that has come back since stays", async () => {
    const { connect } = start(({ actor }) => Promise.resolve(actor.userId !== "alice"));
    const [alice, bob] = [connect("alice"), connect("bob")];
    for (const userId of ["alice", "bob", "nobody"]) removals.removed(userId, "phone");
    await settled();
    expect([alice.closed, bob.closed]).toEqual([[removed], []]);
  });

  it("that may have been missed ends the devices that were removed meanwhile, and no other", async () => {
    const { connect } = start(({ actor }) => Promise.resolve(actor.userId !== "bob"));
    const all = ["alice", "bob", "carol"].map((userId) => connect(userId));
    removals.missed();
    await settled();
    expect(all.map(({ closed }) => closed)).toEqual([[], [removed], []]);
  });
});

describe("a log that does not answer", () => {
  it("is asked again until it does: the device goes on meanwhile, and is out then", async () => {
    let isAway = true;
    let asked = 0;
    const { connect, unanswered } = start(() => {
      asked++;
      return isAway ? Promise.reject(away) : Promise.resolve(false);
    });
    const { closed } = connect("alice");
    removals.removed("alice", "phone");
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(closed).toEqual([]);
    expect(asked).toBeGreaterThan(100);
    expect(unanswered).toEqual(Array.from({ length: asked }, () => away));
    isAway = false;
    await vi.advanceTimersByTimeAsync(bounds.removalPauseMsMax);
    expect(closed).toEqual([removed]);
    const before = asked;
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(asked).toBe(before);
  });

  it("is asked less and less often, and no more than by sixteen in a pause, however many are connected", async () => {
    const times: number[] = [];
    const { connect } = start(() => {
      times.push(Date.now());
      return Promise.reject(away);
    });
    for (let index = 0; index < 500; index++) connect(`user-${index}`);
    const begun = Date.now();
    removals.missed();
    await vi.advanceTimersByTimeAsync(60_000);
    const late = times.filter((at) => at > begun + 30_000);
    expect(times.filter((at) => at === begun)).toHaveLength(bounds.removalsAtOnceMax);
    expect(late.length).toBeLessThanOrEqual((bounds.removalsAtOnceMax * 30_000) / bounds.removalPauseMsMax);
    expect(late.length).toBeGreaterThan(0);
  });

  it("is not asked any more about a connection that has closed", async () => {
    let asked = 0;
    const { hub, connect } = start(() => {
      asked++;
      return Promise.reject(away);
    });
    const { connection } = connect("alice");
    removals.removed("alice", "phone");
    await settled();
    hub.unregister(connection);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(1);
  });

  it("about one device holds up no answer about another", async () => {
    const { connect } = start(({ actor }) =>
      actor.userId === "alice" ? Promise.reject(away) : Promise.resolve(actor.userId !== "user-99"),
    );
    connect("alice");
    const all = Array.from({ length: 100 }, (_, index) => connect(`user-${index}`));
    removals.missed();
    await settled();
    expect(all.at(-1)?.closed).toEqual([removed]);
  });
});

describe("questions", () => {
  it("are asked sixteen at a time, the removed ones first, and not about a connection that has left", async () => {
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const { hub, connect } = start(({ actor }) => {
      asked.push(actor.userId);
      return new Promise((resolve) =>
        answers.push(() => {
          resolve(true);
        }),
      );
    });
    const all = Array.from({ length: 20 }, (_, index) => connect(`user-${index}`));
    removals.missed();
    await settled();
    expect(asked).toHaveLength(bounds.removalsAtOnceMax);
    removals.removed("user-19", "phone");
    const leaves = all[17];
    if (leaves !== undefined) hub.unregister(leaves.connection);
    for (let rounds = 0; rounds < 3; rounds++) {
      for (const answer of answers.splice(0)) answer();
      await settled();
    }
    expect(asked.slice(bounds.removalsAtOnceMax)).toEqual(["user-19", "user-16", "user-18"]);
  });

  it("that are told of while one is under way make one more after it, however many they are", async () => {
    let asked = 0;
    let answer = (): void => undefined;
    const { connect } = start(() => {
      asked++;
      return new Promise((resolve) => {
        answer = () => {
          resolve(true);
        };
      });
    });
    connect("alice");
    for (let hole = 0; hole < 5; hole++) removals.missed();
    await settled();
    expect(asked).toBe(1);
    for (let round = 0; round < 3; round++) {
      answer();
      await settled();
    }
    expect(asked).toBe(2);
  });
});
