import { afterEach, describe, expect, it, vi } from "vitest";
import type { NatsBusLimits } from "../../../../src/infra/bus/nats/limits.js";
import { openNats } from "../../../../src/infra/engines/nats.js";
import { StoreUnavailable } from "../../../../src/projections/ports/away.js";
import { engine } from "../../../kit/engines.js";
import { mayStartServers } from "../../../kit/own-servers.js";
import { createCell, createClosing, createNatsServer, everybodyOn } from "./bus-kit.js";

const url = engine("PARLEY_NATS_URL");
const closing = createClosing();
afterEach(closing.all);

const to = (recipient: string, frame: string) => ({ recipients: [recipient], frame });
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, index) => String(from + index));
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 20 });

/** Each at most once, and never one after a later one. */
const expectInOrder = (frames: readonly string[]): void => {
  const numbers = frames.map(Number);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
};

/** These kill their server, so it is one of their own. */
describe.skipIf(url === undefined || !mayStartServers)("the NATS bus in trouble", () => {
  const start = async (options: { readonly settings?: string; readonly limits?: Partial<NatsBusLimits> } = {}) => {
    const server = await createNatsServer(closing, options.settings);
    await server.start();
    const cell = createCell(server.url, closing);
    const gateway = cell.gateway("g");
    const bus = cell.sender(everybodyOn("g"), { limits: options.limits ?? {} });
    await Promise.all([gateway.ready, bus.nats.connection]);
    return { server, cell, gateway, bus };
  };

  it("starts without NATS, drops frames meanwhile, and has gateways sync when it comes", async () => {
    const server = await createNatsServer(closing);
    const cell = createCell(server.url, closing);
    const gateway = cell.gateway("g");
    const bus = cell.sender(everybodyOn("g"), { limits: { giveUpMs: 300, probeMs: 50 } });
    await bus.deliver([to("u", "before"), { ...to("u", "typing"), ephemeral: true }]);
    expect(bus.counts).toMatchObject({ delivered: 0, gaveUp: 1, ephemeralDropped: 1 });
    expect(bus.nats.connected()).toBe(false);
    await expect(bus.nats.ping()).rejects.toThrow(StoreUnavailable);
    await server.start();
    await gateway.ready;
    await eventually(() => {
      expect(gateway.missed).toContain("hole");
    });
    await bus.deliver([to("u", "after")]);
    expect(gateway.frames).toEqual(["after"]);
    await bus.nats.ping();
  });

  it("ends when it is closed before there was a server", async () => {
    const server = await createNatsServer(closing);
    const nats = openNats({ url: server.url, name: "early", onProblem: () => undefined });
    await nats.close();
    await nats.close();
    await expect(nats.connection).rejects.toThrow(StoreUnavailable);
  });

  it("waits for NATS to be restarted: nothing is lost or doubled, and the connections sync", async () => {
    const { server, gateway, bus } = await start({ limits: { giveUpMs: 60_000 } });
    await Promise.all(numbered(10).map((frame) => bus.deliver([to("u", frame)])));
    await server.kill();
    const waiting = numbered(20, 10).map((frame) => bus.deliver([to("u", frame)]));
    await server.start();
    await Promise.all(waiting);
    expect(gateway.frames).toEqual(numbered(30));
    expect(bus.counts).toMatchObject({ delivered: 30, gaveUp: 0, holes: 0 });
    await eventually(() => {
      expect(gateway.missed).toEqual(["reconnect"]);
    });
  });

  it("gives up while NATS is away for long, keeps little, and works when it is back", async () => {
    const { server, gateway, bus } = await start();
    await server.kill();
    let sent = 0;
    const send = () => bus.deliver([to("u", String(sent++).padEnd(50_000))]);
    const calls = Array.from({ length: 500 }, send);
    // 25 MB for a queue of 8 MiB: given up for that alone, and then for want of an answer.
    await Promise.all(calls);
    for (let more = 0; more < 500; more++) await send();
    expect(bus.counts).toMatchObject({ delivered: 0, gaveUp: 1_000 });
    expect(bus.queued()).toEqual({ gateways: 0, frames: 0, bytes: 0 });
    await server.start();
    await eventually(() => {
      expect(gateway.missed).toContain("reconnect");
      expect(gateway.missed).toContain("hole");
    });
    await send();
    expect(gateway.frames.map(Number)).toEqual([1_000]);
  });

  it("gives up after five seconds without NATS, frames waiting one by one", async () => {
    const { server, gateway, bus } = await start();
    await server.kill();
    await bus.deliver([to("u", "0")]);
    expect(bus.counts.gaveUp).toBe(1);
    expect(bus.counts.retried).toBeGreaterThan(3);
    await server.start();
    await eventually(() => {
      expect(gateway.missed).toContain("hole");
    });
    await bus.deliver([to("u", "1")]);
    expect(gateway.frames).toEqual(["1"]);
  });

  it("survives kill after kill under load: each frame at most once, in order, and none lost untold", async () => {
    const { server, gateway, bus } = await start();
    let sent = 0;
    const ending = new AbortController();
    const load = (async () => {
      while (!ending.signal.aborted) {
        await bus.deliver(numbered(5, sent).map((frame) => to("u", frame)));
        sent += 5;
      }
    })();
    for (let kills = 0; kills < 3; kills++) {
      const { length } = gateway.frames;
      await eventually(() => {
        expect(gateway.frames.length).toBeGreaterThan(length + 100);
      });
      await server.kill();
      await server.start();
    }
    ending.abort();
    await load;
    await eventually(() => {
      expect(gateway.missed.filter((reason) => reason === "reconnect")).toHaveLength(3);
    });
    expectInOrder(gateway.frames);
    // One that was given up may have arrived, its answer lost; either way the gateway is told.
    expect(gateway.frames.length).toBeGreaterThanOrEqual(sent - bus.counts.gaveUp);
    if (bus.counts.gaveUp > 0)
      await eventually(() => {
        expect(gateway.missed).toContain("hole");
      });
  });

  it("repeats what a standing server does not answer; the gateway takes it once", async () => {
    const { server, gateway, bus } = await start({ limits: { giveUpMs: 60_000 } });
    await bus.deliver([to("u", "0")]);
    server.signal("SIGSTOP");
    // The signal takes effect a moment later: the first of these may still be answered.
    const calls: Promise<void>[] = [];
    await eventually(() => {
      calls.push(bus.deliver([to("u", String(calls.length + 1))]));
      expect(bus.counts.retried).toBeGreaterThan(0);
    });
    server.signal("SIGCONT");
    await Promise.all(calls);
    expect(gateway.frames).toEqual(numbered(calls.length + 1));
    expect(gateway.missed).toEqual([]);
    expect(bus.counts).toMatchObject({ delivered: calls.length + 1, gaveUp: 0 });
  });

  it("stays below the server's own limit", async () => {
    const { gateway, bus } = await start({ settings: "max_payload: 8192" });
    const frames = numbered(200).map((number) => number.padEnd(500));
    await bus.deliver(frames.map((frame) => to("u", frame)));
    expect(gateway.frames).toEqual(frames);
    const users = numbered(5_000).map((number) => `user-${number}`);
    await bus.deliver([{ recipients: users, frame: "many" }]);
    expect(gateway.deliveries.slice(200).flatMap(({ recipients }) => recipients)).toEqual(users);
    const typing = users.map((user) => ({ ...to(user, "typing"), ephemeral: true as const }));
    await bus.deliver(typing);
    await eventually(() => {
      expect(gateway.deliveries.filter(({ ephemeral }) => ephemeral)).toHaveLength(5_000);
    });
    expect(bus.counts).toMatchObject({ gaveUp: 0, holes: 0, ephemeralDropped: 0 });
  });

  it("logs in as the URL says, tries on when it is refused, and tells nobody the password", async () => {
    const server = await createNatsServer(closing, 'authorization { user: "parley", password: "p@ss" }');
    await server.start();
    const problems: string[] = [];
    const open = (credentials: string) => {
      const nats = openNats({
        url: server.url.replace("//", `//${credentials}@`),
        name: "login",
        onProblem: ({ message }) => problems.push(message),
      });
      closing.after(nats.close);
      return nats;
    };
    const refused = open("parley:wrong-secret");
    const well = open("parley:p%40ss");
    await well.connection;
    await well.ping();
    await eventually(() => {
      expect(problems.length).toBeGreaterThan(0);
    });
    expect(refused.connected()).toBe(false);
    expect(problems.join()).not.toMatch(/secret|p@ss|p%40ss/);
  });
});
