import { expect, it } from "vitest";
import type { Delivery } from "../../../src/projections/ports/bus.js";
import { createTyping, type TypingOptions } from "../../../src/gateway/ephemeral/typing.js";
import { settled } from "../../kit/turns.js";

/** Time that passes when the test says so. */
const createClock = () => {
  let now = 0;
  let timers: { readonly at: number; readonly work: () => void }[] = [];
  return {
    now: () => now,
    timers: { after: (ms: number, work: () => void) => void timers.push({ at: now + ms, work }) },
    pass: (ms: number) => {
      const end = now + ms;
      for (;;) {
        const next = timers.toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined || next.at > end) break;
        timers = timers.filter((timer) => timer !== next);
        now = next.at;
        next.work();
      }
      now = end;
    },
    waiting: () => timers.length,
  };
};

const kit = (options: Pick<TypingOptions, "membersAmong"> = {}) => {
  const clock = createClock();
  const delivered: Delivery[] = [];
  const bus = { deliver: (deliveries: readonly Delivery[]) => void delivered.push(...deliveries) };
  const typing = createTyping({ ...options, bus, now: clock.now, timers: clock.timers });
  /** What was told since the last look. */
  const told = () =>
    delivered.splice(0).map(({ recipients, frame, ephemeral }) => {
      expect(ephemeral).toBe(true);
      const { type, payload } = JSON.parse(frame) as { type: string; payload: Record<string, unknown> };
      expect(type).toBe("typing.update");
      return `${String(payload.conversationId)} ${String(payload.userId)} ${String(payload.isTyping)} → ${recipients.join()}`;
    });
  return { typing, clock, told };
};
const phone = { userId: "alice", deviceId: "phone" };
const laptop = { userId: "alice", deviceId: "laptop" };

it("tells the others on the first start only, and ends five seconds after the last", () => {
  const { typing, clock, told } = kit();
  typing.start("g", phone, ["bob", "carol"]);
  expect(told()).toEqual(["g alice true → bob,carol"]);
  for (let index = 0; index < 5; index++) {
    clock.pass(4_000);
    typing.start("g", phone, ["bob", "carol"]);
  }
  clock.pass(4_999);
  expect(told()).toEqual([]);
  clock.pass(1);
  expect(told()).toEqual(["g alice false → bob,carol"]);
  clock.pass(60_000);
  expect([told(), clock.waiting()]).toEqual([[], 0]);
});

it("ends on stop, once; a stop without a start says nothing", () => {
  const { typing, clock, told } = kit();
  typing.stop("g", phone);
  typing.start("g", phone, ["bob"]);
  typing.stop("g", phone);
  typing.stop("g", phone);
  clock.pass(10_000);
  expect(told()).toEqual(["g alice true → bob", "g alice false → bob"]);
});

it("a user types as long as one of the devices does; a device that goes ends all of its own", () => {
  const { typing, told } = kit();
  typing.start("g", phone, ["bob"]);
  typing.start("g", laptop, ["bob"]);
  typing.start("h", laptop, ["carol"]);
  expect(told()).toEqual(["g alice true → bob", "h alice true → carol"]);
  typing.gone(laptop);
  expect(told()).toEqual(["h alice false → carol"]);
  typing.gone(phone);
  expect(told()).toEqual(["g alice false → bob"]);
  typing.gone(phone);
  expect(told()).toEqual([]);
});

it("a flood of starts and stops is one beginning and one end a second for the others, whatever devices it comes from", () => {
  const { typing, clock, told } = kit();
  const others = Array.from({ length: 99 }, (_, index) => `u${index}`);
  let frames = 0;
  for (let index = 0; index < 2_000; index++) {
    const device = index % 4 < 2 ? phone : laptop;
    if (index % 2 === 0) typing.start("g", device, others);
    else typing.stop("g", device);
    clock.pass(1);
    frames += told().length;
  }
  // Two seconds: begun at 0, at 1,000 and perhaps at 2,000, each with its end.
  expect(frames).toBeGreaterThanOrEqual(4);
  expect(frames).toBeLessThanOrEqual(6);
  typing.gone(phone);
  typing.gone(laptop);
  told();
  clock.pass(60_000);
  expect([told(), clock.waiting()]).toEqual([[], 0]);
});

it("who begins again within the second is shown when it is over, to those who are members then; not who has stopped by then", () => {
  const { typing, clock, told } = kit();
  typing.start("g", phone, ["bob"]);
  typing.stop("g", phone);
  typing.start("h", phone, ["bob"]);
  typing.stop("h", phone);
  told();
  typing.start("g", phone, ["bob"]);
  typing.start("h", phone, ["bob"]);
  typing.start("g", phone, ["bob", "carol"]);
  typing.stop("h", phone);
  clock.pass(999);
  expect(told()).toEqual([]);
  clock.pass(1);
  expect(told()).toEqual(["g alice true → bob,carol"]);
  clock.pass(4_000);
  expect(told()).toEqual(["g alice false → bob,carol"]);
});

it("each ends at its own time", () => {
  const { typing, clock, told } = kit();
  typing.start("g", phone, ["bob"]);
  clock.pass(1_000);
  typing.start("h", phone, ["bob"]);
  clock.pass(1_000);
  typing.start("g", phone, ["bob"]);
  told();
  clock.pass(4_000);
  expect(told()).toEqual(["h alice false → bob"]);
  clock.pass(1_000);
  expect(told()).toEqual(["g alice false → bob"]);
});

it("is off above a hundred members, and bounded for each user", () => {
  const { typing, clock, told } = kit();
  const others = (count: number) => Array.from({ length: count }, (_, index) => `u${index}`);
  typing.start("large", phone, others(100));
  expect(told()).toEqual([]);
  typing.start("small", phone, others(99));
  expect(told()).toHaveLength(1);
  for (let index = 0; index < 100; index++) typing.start(`g${index}`, phone, ["bob"]);
  expect(told().length).toBeLessThan(30);
  for (let index = 0; index < 100; index++) typing.start(`g${index}`, laptop, ["bob"]);
  expect(told()).toEqual([]);
  typing.gone(phone);
  typing.gone(laptop);
  told();
  typing.start("g99", phone, ["bob"]);
  expect(told()).toEqual([]);
  clock.pass(1_000);
  typing.start("g99", phone, ["bob"]);
  expect(told()).toEqual(["g99 alice true → bob"]);
});

it("tells those who left nothing more, and ends what they typed", () => {
  const { typing, clock, told } = kit();
  typing.start("g", phone, ["bob", "carol"]);
  typing.left("g", "bob");
  told();
  typing.stop("g", phone);
  expect(told()).toEqual(["g alice false → carol"]);
  clock.pass(1_000);
  typing.start("g", phone, ["carol"]);
  told();
  typing.left("g", "alice");
  expect(told()).toEqual(["g alice false → carol"]);
});

it("tells of no end a user who is no member by then, where it has to ask for that", async () => {
  const members = new Map([
    ["g", new Set(["alice", "bob", "carol"])],
    ["h", new Set(["alice", "dave"])],
  ]);
  const { typing, clock, told } = kit({
    membersAmong: (id, userIds) => Promise.resolve(userIds.filter((userId) => members.get(id)?.has(userId))),
  });
  typing.start("g", phone, ["bob", "carol"]);
  typing.start("h", phone, ["dave"]);
  told();
  members.get("g")?.delete("bob");
  typing.start("g", phone, ["carol"]);
  typing.stop("g", phone);
  await settled();
  expect(told()).toEqual(["g alice false → carol"]);
  // The typist's own leaving does not keep the others from being told.
  members.get("h")?.delete("alice");
  clock.pass(5_000);
  await settled();
  expect(told()).toEqual(["h alice false → dave"]);
});

it("tells all when it cannot ask, and no end after a new beginning", async () => {
  const asked: ((error: Error) => void)[] = [];
  const { typing, clock, told } = kit({
    membersAmong: () => new Promise((_resolve, reject) => void asked.push(reject)),
  });
  typing.start("g", phone, ["bob"]);
  clock.pass(1_000);
  typing.stop("g", phone);
  typing.start("g", phone, ["bob"]);
  asked.shift()?.(new Error("away"));
  await settled();
  expect(told()).toEqual(["g alice true → bob", "g alice true → bob"]);
  typing.stop("g", phone);
  asked.shift()?.(new Error("away"));
  await settled();
  expect(told()).toEqual(["g alice false → bob"]);
});
