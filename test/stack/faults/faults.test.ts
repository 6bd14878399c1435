/** Faults on the distributed profile, each under load (issue 5). MongoDB and EventStoreDB are stand-ins here: scripts/servers. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openRedis } from "../../../src/infra/engines/redis.js";
import { conversationOf, eventually } from "../../kit/device.js";
import { engine } from "../../kit/engines.js";
import { mayStartServers, type ServerName } from "../../kit/own-servers.js";
import { randomFrom } from "../../kit/random.js";
import { seed } from "../../kit/seed.js";
import type { ServerProcess } from "../../kit/server.js";
import { startJobs } from "./jobs.js";
import { eventuallyPasses, gatewayOf, longMs, openStage, underLoad, type Scene, type Stage } from "./faults-kit.js";
import { growthOf, sample, sum, sumOf } from "./metrics.js";

const given = engine("PARLEY_EVENTSTORE_URL");
/** An outage, by the issue. */
const awayMs = 5_000;

describe.skipIf(given === undefined || !mayStartServers)(`faults under load (seed ${seed})`, () => {
  const random = randomFrom(seed);
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  });
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    await stage.heal();
    for (const clean of cleanups.splice(0)) await clean();
  });
  afterAll(async () => {
    await stage.close();
  });

  const gateway = (i: number): ServerProcess => at(stage.cluster.gateways, i);
  /** Asked before the fault; then it resolves when each process has had problems since. */
  const problemsOf = async (name: ServerName): Promise<() => Promise<void>> => {
    const growth = await growthOf(stage.cluster.processes, `parley_engine_problems_total{engine="${name}"}`);
    return () =>
      eventuallyPasses(async () => {
        for (const grown of await growth()) expect(grown).toBeGreaterThan(0);
      });
  };
  /** Each by itself, after a pause of its own. */
  const everyoneIsConnected = (name: "nats" | "redis"): Promise<void> =>
    eventuallyPasses(async () => {
      expect(await sumOf(stage.cluster.processes, `parley_${name}_connected`)).toBe(stage.cluster.processes.length);
    });
  const missedFrames = (processes = stage.cluster.gateways) => growthOf(processes, "parley_missed_frames_total");
  const givenUpFrames = () => growthOf(stage.cluster.projectors, "parley_bus_given_up_frames_total");

  /** Kills it, lets the load go on for so long, starts it again. `during` has to be true in that time. */
  const outage = async (
    name: ServerName,
    during: () => Promise<void> = nothing,
    dead: () => Promise<void> = nothing,
  ) => {
    await stage.servers.kill(name);
    const killedAt = performance.now();
    await dead();
    await during();
    await sleep(Math.max(0, awayMs - (performance.now() - killedAt)));
    await stage.servers.startAgain(name);
  };

  /** A device that sends now has its acknowledgement while the engine is still away. */
  const accepting = async ({ devices, acknowledged }: Scene): Promise<void> => {
    const since = performance.now();
    await eventually(
      () =>
        new Set(acknowledged.filter(({ sentAt }) => sentAt > since).map(({ userId }) => userId)).size ===
        devices.length,
      "everybody's messages are acknowledged during the outage",
    );
    // An operator who watches has to see it now, not afterwards.
    for (const one of stage.cluster.processes) await sample(one, "parley_nats_connected");
  };

  it("kill -9 of a gateway: the other's clients go on, its own come back", async () => {
    const givenUp = await givenUpFrames();
    await underLoad(stage, { name: "gateway", random }, async ({ devices, acknowledged }) => {
      await gateway(0).kill();
      const since = performance.now();
      await sleep(awayMs);
      const others = devices.filter((_, i) => gatewayOf(i) === 1);
      await eventually(() => {
        const heard = new Set(acknowledged.filter(({ sentAt }) => sentAt > since).map(({ userId }) => userId));
        return others.every(({ userId }) => heard.has(userId));
      }, "the other gateway's users are answered while it is dead");
      await gateway(0).start();
    });
    await eventuallyPasses(async () => {
      expect(sum(await givenUp())).toBeGreaterThan(0);
    });
  });

  it("kill -9 of a projector: the other one takes over", async () => {
    const projector = at(stage.cluster.projectors, 0);
    const missed = await missedFrames();
    await underLoad(stage, { name: "projector", random }, async () => {
      await projector.kill();
      await sleep(awayMs);
      await projector.start();
    });
    // The new one is a sender that the gateways have not heard before; it greets those that it hears.
    await eventuallyPasses(async () => {
      expect(sum(await missed())).toBeGreaterThan(0);
    });
    await eventuallyPasses(async () => {
      const held = await Promise.all(stage.cluster.projectors.map((one) => sample(one, "parley_projector_partitions")));
      expect(held).toEqual([4, 4]);
    });
  });

  it("kill -9 of NATS: accepting goes on, everybody syncs", async () => {
    const [missed, everyoneHasSeen] = [await missedFrames(), await problemsOf("nats")];
    await underLoad(stage, { name: "nats", random }, (scene) => outage("nats", () => accepting(scene)));
    await everyoneHasSeen();
    expect(sum(await missed())).toBeGreaterThan(0);
    await everyoneIsConnected("nats");
  });

  it("NATS comes back without what it had stored: the work queue and the cluster go on without help", async () => {
    const jobs = await startJobs(stage.servers);
    cleanups.push(jobs.close);
    await underLoad(stage, { name: "nats-wiped", random }, async (scene) => {
      await jobs.goOn();
      await outage("nats", () => accepting(scene), jobs.wipe);
      await jobs.goOn();
    });
    await jobs.finish();
    await everyoneIsConnected("nats");
  });

  it("kill -9 of Redis: accepting goes on, frames go to every gateway", async () => {
    const everyoneHasSeen = await problemsOf("redis");
    const broadcasts = await growthOf(stage.cluster.projectors, "parley_bus_broadcasts_total");
    await underLoad(stage, { name: "redis", random }, (scene) => outage("redis", () => accepting(scene)));
    await everyoneHasSeen();
    expect(sum(await broadcasts())).toBeGreaterThan(0);
    await everyoneIsConnected("redis");
  });

  it("Redis flushed: projectors take leases anew, and connections that had none sync", async () => {
    const missed = await missedFrames();
    await underLoad(stage, { name: "redis-flushed", random }, async () => {
      const { redis, close } = await openRedis({
        url: stage.servers.env.PARLEY_REDIS_URL ?? "",
        onProblem: () => undefined,
      });
      await redis.flushall();
      close();
      // Frames of this time find nobody; the load ends soon, so that no later ones heal that.
      await sleep(2_000);
    });
    await eventuallyPasses(async () => {
      expect(sum(await missed())).toBeGreaterThan(0);
    });
  });

  it("kill -9 of the view store: accepting goes on, the views catch up", async () => {
    const everyoneHasSeen = await problemsOf("mongodb");
    const waits = await growthOf(stage.cluster.projectors, "parley_projector_waits_total");
    await underLoad(stage, { name: "mongodb", random }, (scene) => outage("mongodb", () => accepting(scene)));
    await everyoneHasSeen();
    expect(sum(await waits())).toBeGreaterThan(0);
  });

  it("kill -9 of the event store: nothing is acknowledged meanwhile, everything afterwards", async () => {
    const everyoneHasSeen = await problemsOf("eventstore");
    await underLoad(stage, { name: "eventstore", random }, ({ acknowledged }) =>
      outage("eventstore", async () => {
        // What was appended before may still be on its way: whatever a gateway has written is here before this answer.
        await sleep(500);
        for (const one of stage.cluster.processes) await sample(one, "parley_nats_connected");
        const before = acknowledged.length;
        await sleep(1_000);
        expect(acknowledged.length).toBe(before);
      }),
    );
    await everyoneHasSeen();
  });

  it("a gateway that hangs for 20 s: the other's clients do not notice", async () => {
    const [missed, givenUp] = [await missedFrames([gateway(0)]), await givenUpFrames()];
    await underLoad(stage, { name: "hang", random }, async (scene) => {
      gateway(0).pause();
      const since = performance.now();
      await othersGoOn(scene, since, gateway(1).url());
      await sleep(Math.max(0, 20_000 - (performance.now() - since)));
      await othersGoOn(scene, since + 10_000, gateway(1).url());
      gateway(0).resume();
    });
    expect(sum(await givenUp())).toBeGreaterThan(0);
    expect(sum(await missed())).toBeGreaterThan(0);
  });
});

/** At the gateway that runs: all are answered, two that are both there receive from each other, and none has to connect again. */
const othersGoOn = async ({ devices, acknowledged, tap }: Scene, since: number, url: string): Promise<void> => {
  const others = devices.filter((_, i) => gatewayOf(i) === 1);
  await eventually(() => {
    const heard = new Set(acknowledged.filter(({ sentAt }) => sentAt > since).map(({ userId }) => userId));
    return others.every(({ userId }) => heard.has(userId));
  }, "the other gateway's users are answered");
  const [sender, receiver] = [at(devices, 2), at(devices, 3)];
  const isTheirs = (conversationId: string) =>
    conversationId.startsWith("d_") || receiver.client.conversations.get(conversationId)?.info?.type === "direct";
  await eventually(
    () => {
      const sent = acknowledged.find(
        ({ userId, sentAt, conversationId }) =>
          userId === sender.userId &&
          sentAt > since &&
          isTheirs(conversationId) &&
          receiver.client.conversations.has(conversationId),
      );
      return sent !== undefined && conversationOf(receiver.client, sent.conversationId).pos >= sent.ack.pos;
    },
    "users who share the other gateway receive",
    longMs / 4,
  );
  expect(tap.openedAfter(since, url)).toBe(0);
};

const at = <A>(from: readonly A[], i: number): A => {
  const found = from[i];
  if (found === undefined) throw new Error(`there is no ${i}`);
  return found;
};

const nothing = (): Promise<void> => Promise.resolve();
