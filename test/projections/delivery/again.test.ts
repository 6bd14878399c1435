import { expect, it } from "vitest";
import { keepDelivering } from "../../../src/profiles/keep-delivering.js";
import { startDelivery, type DeliveryDependencies } from "../../../src/projections/delivery/delivery.js";
import { eventually } from "../../kit/device.js";
import {
  by,
  connect,
  nothingBeside,
  sideForEach,
  right,
  send,
  startGroup,
  type ReadSide,
  type Received,
} from "./delivery-kit.js";

let side: ReadSide;
const stopping = sideForEach((opened) => (side = opened));

/** Delivery of a process on the real log, whose pauses last until the test ends them and whose time stands still. */
const keep = async (overrides: Partial<DeliveryDependencies> = {}) => {
  const pauses: { readonly ms: number; readonly end: () => void }[] = [];
  const undeliverable: Error[] = [];
  const again = { times: 0 };
  const clock = { ms: 0 };
  const kept = await keepDelivering({
    head: side.log.head,
    start: (resumed, onFailure) =>
      startDelivery({
        ...{ source: side.log, bus: side.bus, openNow: side.sealing.openNow, open: side.sealing.open },
        ...nothingBeside,
        onUndeliverable: (_event, error) => void undeliverable.push(error),
        ...overrides,
        ...{ resumed, onFailure },
      }),
    onAgain: () => (again.times += 1),
    timers: {
      now: () => clock.ms,
      after: (ms, end) => {
        const pause = { ms, end };
        pauses.push(pause);
        return { cancel: () => pauses.splice(pauses.indexOf(pause), 1) };
      },
    },
  });
  stopping(kept.stop);
  return { kept, pauses, undeliverable, again, clock };
};

/** A bus that throws for frames that hold this text: a defect on the way to the sockets. */
const throwingFor = (text: string): Pick<DeliveryDependencies, "bus"> => ({
  bus: {
    ...side.bus,
    deliver: (deliveries) => {
      if (deliveries.some(({ frame }) => frame.includes(text))) throw new Error("cannot be handled");
      return side.bus.deliver(deliveries);
    },
  },
});

const messages = (device: Received) =>
  device.frames.flatMap(({ type, payload }) => (type === "message.new" ? [payload.pos] : []));

it("that has ended by itself is started again: what came meanwhile arrives, without what was deleted, and removed devices go", async () => {
  const { kept, pauses, undeliverable, again } = await keep(throwingFor("poison"));
  right(await side.commands.registerDevice({}, by("bob", "laptop")));
  const id = await startGroup(side, "alice", ["bob"]);
  const [bob, laptop] = [connect(side.hub, "bob"), connect(side.hub, "bob", "laptop")];
  await send(side, id, "alice", "before");
  await eventually(() => messages(bob).length === 1, "the first message");
  await send(side, id, "alice", "poison");
  await eventually(() => pauses.length === 1, "the end");
  expect(kept.problem()).toBe("cannot be handled");
  await send(side, id, "alice", "meanwhile");
  const { messageId } = await send(side, id, "alice", "SECRET");
  right(await side.commands.deleteMessage({ conversationId: id, messageId }, by("alice")));
  right(await side.commands.removeDevice({ deviceId: "laptop" }, by("bob")));
  expect(laptop.closed).toEqual([]);
  pauses[0]?.end();
  await eventually(() => again.times === 1, "the new start");
  expect(kept.problem()).toBeUndefined();
  await send(side, id, "alice", "afterwards");
  await eventually(() => messages(bob).includes(7), "what comes afterwards");
  expect(messages(bob)).toEqual([2, 4, 5, 7]);
  expect(laptop.closed).toEqual([4401]);
  expect(bob.texts.join()).not.toContain("SECRET");
  expect(undeliverable).toEqual([]);
});

it("leaves nothing behind in its backlog that would come after what the next one sends", async () => {
  let openGate: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (openGate = resolve));
  const opening = { times: 0 };
  const { pauses, again } = await keep({
    ...throwingFor("device.updated"),
    openNow: (messageId, content) => (opening.times === 0 ? undefined : side.sealing.openNow(messageId, content)),
    open: async (messageId, content) => {
      opening.times += 1;
      if (opening.times === 1) await gate;
      return side.sealing.open(messageId, content);
    },
  });
  const id = await startGroup(side, "alice", ["bob"]);
  const bob = connect(side.hub, "bob");
  await send(side, id, "alice", "waits in a backlog");
  await eventually(() => opening.times === 1, "the backlog");
  right(await side.commands.registerDevice({}, by("zoe")));
  await eventually(() => pauses.length === 1, "the end");
  pauses[0]?.end();
  await eventually(() => again.times === 1, "the new start");
  await send(side, id, "alice", "first");
  openGate();
  await send(side, id, "alice", "second");
  await eventually(() => messages(bob).includes(4), "the last message");
  expect(messages(bob)).toEqual([3, 4]);
});

it("waits longer each time that it ends soon, and not for ever", async () => {
  const { pauses, again, clock } = await keep(throwingFor("device.updated"));
  const endOnce = async (times: number) => {
    right(await side.commands.registerDevice({}, by(`user-${times}`)));
    await eventually(() => pauses.length === times, "the end");
    pauses.at(-1)?.end();
    await eventually(() => again.times === times, "the new start");
  };
  for (let times = 1; times <= 8; times += 1) await endOnce(times);
  clock.ms += 10 * 60_000;
  await endOnce(9);
  expect(pauses.map(({ ms }) => ms / 1_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 1]);
});

it("is not started again once it was stopped", async () => {
  const { kept, pauses, again } = await keep(throwingFor("poison"));
  const id = await startGroup(side, "alice", ["bob"]);
  await send(side, id, "alice", "poison");
  await eventually(() => pauses.length === 1, "the end");
  kept.stop();
  expect([pauses, again.times]).toEqual([[], 0]);
});
