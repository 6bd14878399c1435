import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeFrame, encodeRequest } from "../../../../src/infra/bus/nats/codec.js";
import { decodeReply, subjectsOf } from "../../../../src/infra/bus/nats/subjects.js";
import { engine } from "../../../kit/engines.js";
import { randomFrom } from "../../../kit/random.js";
import { seed } from "../../../kit/seed.js";
import { settled, someTurns } from "../../../kit/turns.js";
import { byName, createCell, createClosing, everybodyOn, standStill } from "./bus-kit.js";

const url = engine("PARLEY_NATS_URL");
const closing = createClosing();
afterEach(closing.all);

const to = (recipient: string, frame: string) => ({ recipients: [recipient], frame });
const isPending = (work: Promise<unknown>) => Promise.race([work.then(() => false), settled().then(() => true)]);
/** For tests that count repetitions: a machine that stands still for a moment causes none. */
const patient = { answerMs: 10_000, giveUpMs: 30_000 };
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 5 });

describe.skipIf(url === undefined)(`the NATS bus (seed ${seed})`, () => {
  const start = () => createCell(url ?? "", closing);

  it("keeps each conversation's order, for two gateways under load", async () => {
    const cell = start();
    const gateways = [cell.gateway("g1"), cell.gateway("g2")] as const;
    const random = randomFrom(seed);
    // The registry answers late, and not in the order in which it was asked.
    const bus = cell.sender(
      async (userIds) => {
        await someTurns(random, 4);
        return byName(userIds);
      },
      { limits: patient },
    );
    await Promise.all([...gateways.map(({ ready }) => ready), bus.nats.connection]);
    const calls: Promise<void>[] = [];
    const sent = 5_000;
    for (let number = 0; number < sent; number++) {
      const frame = `{"conversation":${random.int(20)},"number":${number}}`;
      calls.push(bus.deliver([to("g1.u", frame), to("g2.u", frame)]));
      if (random.chance(0.05)) await Promise.all(calls.splice(0));
    }
    await Promise.all(calls);
    for (const { frames, missed } of gateways) {
      expect(frames.map((frame) => (JSON.parse(frame) as { number: number }).number)).toEqual(
        Array.from({ length: sent }, (_, number) => number),
      );
      expect(missed).toEqual([]);
    }
    expect(bus.counts).toMatchObject({ delivered: 2 * sent, retried: 0, gaveUp: 0, holes: 0 });
    expect(bus.queued()).toEqual({ gateways: 0, frames: 0, bytes: 0 });
  });

  it("does not let a gateway that hangs delay another", async () => {
    const cell = start();
    const well = cell.gateway("well");
    const hanging = await cell.open("hanging").connection;
    hanging.subscribe(subjectsOf(cell.cell).deliver("hanging"), { callback: () => undefined });
    await Promise.all([well.ready, hanging.flush()]);
    const bus = cell.sender(byName, { limits: { answerMs: 100, giveUpMs: 10_000 } });
    await bus.nats.connection;
    const hung = bus.deliver([to("hanging.u", "never"), to("well.u", "0")]);
    for (let number = 1; number < 200; number++) await bus.deliver([to("well.u", String(number))]);
    expect(well.frames).toEqual(Array.from({ length: 200 }, (_, number) => String(number)));
    expect(await isPending(hung)).toBe(true);
    await hung;
    expect(bus.counts.gaveUp).toBe(1);
    expect(bus.counts.retried).toBeGreaterThan(0);
    // Given up: no sender waits for it any more.
    await bus.deliver([to("hanging.u", "dropped")]);
    expect(bus.counts.gaveUp).toBe(2);
  });

  it("hands over once what it has to send twice because the answer was lost", async () => {
    const cell = start();
    const subjects = subjectsOf(cell.cell);
    const behind = cell.gateway("behind");
    const lossy = await cell.open("lossy").connection;
    let attempts = 0;
    lossy.subscribe(subjects.deliver("front"), {
      callback: (_, message) => {
        const lost = ++attempts <= 2;
        void lossy.request(subjects.deliver("behind"), message.data).then(({ data }) => lost || message.respond(data));
      },
    });
    await Promise.all([behind.ready, lossy.flush()]);
    const bus = cell.sender(everybodyOn("front"), { limits: { ...patient, answerMs: 3_000, retryMs: 10 } });
    await bus.nats.connection;
    await Promise.all([bus.deliver([to("u", "1")]), bus.deliver([to("u", "2")]), bus.deliver([to("u", "3")])]);
    expect(behind.frames).toEqual(["1", "2", "3"]);
    expect(behind.counts.duplicates).toBe(2);
    expect(behind.missed).toEqual([]);
    expect(bus.counts).toMatchObject({ retried: 2, gaveUp: 0 });
  });

  it("has a gateway that was given up sync when it is back, without any frame for it", async () => {
    const cell = start();
    const bus = cell.sender(everybodyOn("late"), { limits: { probeMs: 50 } });
    await bus.nats.connection;
    // Nobody serves it and nobody hears it: it is given up at once.
    await bus.deliver([to("u", "1")]);
    await bus.deliver([to("u", "2")]);
    expect(bus.counts.gaveUp).toBe(2);
    const late = cell.gateway("late");
    await eventually(() => {
      expect(late.missed).toEqual(["hole"]);
    });
    await bus.deliver([to("u", "3")]);
    expect(late.frames).toEqual(["3"]);
    expect(late.missed).toEqual(["hole"]);
  });

  it("gives up at once a gateway for which too much waits, and has it sync", async () => {
    const cell = start();
    const subjects = subjectsOf(cell.cell);
    const behind = cell.gateway("behind");
    const gate = await cell.open("gate").connection;
    let open = false;
    gate.subscribe(subjects.deliver("front"), {
      callback: (_, message) => {
        if (open) void gate.request(subjects.deliver("behind"), message.data).then(({ data }) => message.respond(data));
      },
    });
    await Promise.all([behind.ready, gate.flush()]);
    const limits = { answerMs: 100, giveUpMs: 60_000, probeMs: 20, retryMs: 10, queueBytesMax: 10_000 };
    const bus = cell.sender(everybodyOn("front"), { limits });
    await bus.nats.connection;
    const calls: Promise<void>[] = [];
    for (let number = 0; number < 50; number++) {
      calls.push(bus.deliver([to("u", "x".repeat(1_000))]));
      expect(bus.queued().bytes).toBeLessThan(10_000 + 50 * 1_100);
    }
    await Promise.all(calls);
    expect(bus.counts).toMatchObject({ delivered: 0, gaveUp: 50 });
    expect(bus.queued()).toEqual({ gateways: 0, frames: 0, bytes: 0 });
    open = true;
    await eventually(() => {
      expect(behind.missed).toEqual(["hole"]);
    });
    await bus.deliver([to("u", "after")]);
    expect(behind.frames).toEqual(["after"]);
  });

  it("tells a new sender from the first, and a hole once", async () => {
    const cell = start();
    const gateway = cell.gateway("g");
    await gateway.ready;
    // A process that is started again has its name again.
    const first = cell.sender(everybodyOn("g"), { senderId: "projector" });
    await first.nats.connection;
    await first.deliver([to("u", "1")]);
    expect(gateway.missed).toEqual([]);
    const second = cell.sender(everybodyOn("g"), { senderId: "projector" });
    await second.nats.connection;
    await second.deliver([to("u", "2")]);
    await second.deliver([to("u", "3")]);
    expect(gateway.missed).toEqual(["new sender"]);
    expect(gateway.frames).toEqual(["1", "2", "3"]);
  });

  it("sends everything to every living gateway while the registry is away", async () => {
    const cell = start();
    const gateways = [cell.gateway("g1"), cell.gateway("g2")] as const;
    await Promise.all(gateways.map(({ ready }) => ready));
    let away = false;
    const bus = cell.sender((userIds) => (away ? Promise.reject(new Error("away")) : byName(userIds)));
    // The roll call has them heard at once; so has a starting one's heartbeat.
    await bus.nats.connection;
    away = true;
    await eventually(async () => {
      await bus.deliver([{ recipients: ["g1.a", "g2.b"], frame: "to all", exceptDeviceId: "d" }]);
      for (const { frames } of gateways) expect(frames.length).toBeGreaterThan(0);
    });
    for (const { deliveries } of gateways)
      expect(deliveries[0]).toEqual({ recipients: ["g1.a", "g2.b"], frame: "to all", exceptDeviceId: "d" });
    bus.disconnect("g1.a", "phone");
    await bus.deliver([]);
    for (const { gone } of gateways) expect(gone).toEqual(["g1.a phone"]);
    expect(bus.counts.broadcasts).toBeGreaterThan(0);
    away = false;
    await bus.deliver([to("g1.a", "to one")]);
    expect(gateways[0].frames.at(-1)).toBe("to one");
    expect(gateways[1].frames.at(-1)).toBe("to all");
  });

  it("takes 3 MiB for one gateway, and a frame for 50,000 users", async () => {
    const cell = start();
    const gateway = cell.gateway("g");
    await gateway.ready;
    const bus = cell.sender(everybodyOn("g"), { limits: patient });
    await bus.nats.connection;
    const large = Array.from({ length: 3 * 16 }, (_, number) => to("u", `${number} ${"é".repeat(32_768)}`));
    await bus.deliver(large);
    expect(gateway.frames).toEqual(large.map(({ frame }) => frame));
    const users = Array.from({ length: 50_000 }, (_, number) => `user-${number}-${"x".repeat(30)}`);
    await bus.deliver([{ recipients: users, frame: "for many" }]);
    const many = gateway.deliveries.slice(large.length);
    expect(many.length).toBeGreaterThan(1);
    expect(many.flatMap(({ recipients }) => recipients)).toEqual(users);
    expect(bus.counts).toMatchObject({ retried: 0, gaveUp: 0, holes: 0 });
  });

  it("leaves a hole for a frame that no server would take, and goes on", async () => {
    const cell = start();
    const gateway = cell.gateway("g");
    await gateway.ready;
    const bus = cell.sender(everybodyOn("g"));
    await bus.nats.connection;
    await bus.deliver([to("u", "x".repeat(1_100_000))]);
    await bus.deliver([to("u", "next")]);
    expect(gateway.frames).toEqual(["next"]);
    expect(gateway.missed).toEqual(["hole"]);
    expect(bus.counts.gaveUp).toBe(1);
  });

  it("publishes ephemeral frames and control without waiting for anybody", async () => {
    const cell = start();
    const gateway = cell.gateway("g");
    await gateway.ready;
    const bus = cell.sender(everybodyOn("g", "nobody"));
    await bus.nats.connection;
    await bus.deliver([{ ...to("u", "typing"), ephemeral: true, exceptDeviceId: "d" }]);
    bus.closeReplaced("g", { connectionId: "c1", userId: "u", deviceId: "d" });
    await eventually(() => {
      expect(gateway.deliveries).toEqual([
        { recipients: ["u"], frame: "typing", exceptDeviceId: "d", ephemeral: true },
      ]);
      expect(gateway.replaced).toEqual(["c1"]);
    });
    expect(gateway.missed).toEqual([]);
    expect(bus.counts).toMatchObject({ delivered: 0, ephemeralDropped: 0, gaveUp: 0 });
  });

  it("refuses what it cannot read, says so, and lives on", async () => {
    const cell = start();
    const subject = subjectsOf(cell.cell);
    let broken = true;
    const frames: string[] = [];
    const gateway = cell.gateway("g", {
      onDeliver: (deliveries) => {
        if (broken) throw new Error("broken");
        frames.push(...deliveries.map(({ frame }) => frame));
      },
    });
    await gateway.ready;
    const raw = await cell.open("raw").connection;
    const garbage = await raw.request(subject.deliver("g"), Buffer.from("garbage"));
    expect(decodeReply(garbage.data)).toHaveProperty("refused");
    for (const other of [subject.ephemeral("g"), subject.replaced("g"), subject.gateways])
      raw.publish(other, Buffer.from("{"));
    await eventually(() => {
      expect(gateway.counts.malformed).toBe(3);
    });
    // What fails half-way is not repeated: the connections sync instead.
    const request = encodeRequest("s", 1, encodeFrame({ frame: "1" }, ["u"], 1_000));
    expect(decodeReply((await raw.request(subject.deliver("g"), request)).data)).toEqual({ taken: 1 });
    expect(gateway.missed).toEqual(["hole"]);
    broken = false;
    const next = encodeRequest("s", 2, encodeFrame({ frame: "2" }, ["u"], 1_000));
    expect(decodeReply((await raw.request(subject.deliver("g"), next)).data)).toEqual({ taken: 2 });
    expect(frames).toEqual(["2"]);
  });

  it("says goodbye: senders do not wait for a gateway that left", async () => {
    const cell = start();
    const gateway = cell.gateway("g");
    await gateway.ready;
    const bus = cell.sender(everybodyOn("g"), { limits: patient });
    await bus.nats.connection;
    await bus.deliver([to("u", "1")]);
    await gateway.close();
    await bus.nats.ping();
    await bus.deliver([to("u", "2")]);
    expect(bus.counts).toMatchObject({ delivered: 1, gaveUp: 1, retried: 0 });
  });

  it("takes a gateway that restarts under its name for what it is: one that knows no counts", async () => {
    const cell = start();
    const before = cell.gateway("g");
    await before.ready;
    const bus = cell.sender(everybodyOn("g"));
    await bus.nats.connection;
    for (const frame of ["1", "2", "3"]) await bus.deliver([to("u", frame)]);
    await before.close();
    const after = cell.gateway("g");
    await after.ready;
    // The sender greets a gateway that starts, so that its first frame, perhaps much later, is no surprise.
    await eventually(() => {
      expect(after.counts.requests).toBeGreaterThan(0);
    });
    const { length } = after.missed;
    await bus.deliver([to("u", "4")]);
    expect(after.frames).toEqual(["4"]);
    expect(after.missed).toHaveLength(length);
    const third = cell.gateway("new");
    await eventually(() => {
      expect(third.counts.requests).toBe(1);
    });
    expect(third.missed).toEqual([]);
  });

  it("has the connections sync after its process stood still", async () => {
    const cell = start();
    const gateway = cell.gateway("g", { limits: { heartbeatMs: 20, stallMs: 2_000 } });
    await gateway.ready;
    expect(gateway.missed).toEqual([]);
    standStill(2_500);
    await eventually(() => {
      expect(gateway.missed).toEqual(["stall"]);
    });
  });

  it("does not call delivered what it had to leave when it was stopped", async () => {
    const cell = start();
    const hanging = await cell.open("hanging").connection;
    hanging.subscribe(subjectsOf(cell.cell).deliver("g"), { callback: () => undefined });
    await hanging.flush();
    const bus = cell.sender(everybodyOn("g"), { limits: { answerMs: 50, stopMs: 100 } });
    await bus.nats.connection;
    const cutOff = bus.deliver([to("u", "1")]);
    await bus.stop();
    const after = bus.deliver([to("u", "2")]);
    await hanging.flush();
    expect(await isPending(cutOff)).toBe(true);
    expect(await isPending(after)).toBe(true);
  });

  it("leaves holes in place of frames when too many wait for the registry", async () => {
    const cell = start();
    const gateway = cell.gateway("g");
    await gateway.ready;
    let answer: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (answer = resolve));
    const bus = cell.sender(
      async (userIds) => {
        if (userIds.includes("slow")) await asked;
        return everybodyOn("g")(userIds);
      },
      { limits: { lookupBytesMax: 1_000 } },
    );
    await bus.nats.connection;
    await bus.deliver([to("u", "0")]);
    const slow = bus.deliver([to("slow", "1")]);
    await bus.deliver([to("u", "x".repeat(1_000))]);
    await eventually(() => {
      expect(gateway.missed).toEqual(["hole"]);
    });
    answer();
    await slow;
    expect(gateway.frames).toEqual(["0", "1"]);
  });
});
