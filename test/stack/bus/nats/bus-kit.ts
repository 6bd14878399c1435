import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createConnection } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Delivery } from "../../../../src/projections/ports/bus.js";
import {
  receiveForGateway,
  type MissedReason,
  type GatewayReceiverOptions,
} from "../../../../src/infra/bus/nats/receiving/gateway-receiver.js";
import { createNatsBus, type NatsBusOptions } from "../../../../src/infra/bus/nats/bus.js";
import { openNats, type Nats } from "../../../../src/infra/engines/nats.js";
import { stablePort } from "../../../kit/ports.js";

/** What a test opened, closed after it in the opposite order. */
export const createClosing = () => {
  let work: (() => void | Promise<void>)[] = [];
  return {
    after: (close: () => void | Promise<void>): void => {
      work.push(close);
    },
    all: async (): Promise<void> => {
      const closing = work.reverse();
      work = [];
      for (const close of closing) await close();
    },
  };
};
export type Closing = ReturnType<typeof createClosing>;

/** A cell of its own on a server, with its senders and gateways, each on a connection of its own. */
export const createCell = (url: string, closing: Closing) => {
  const cell = randomUUID();
  const problems: string[] = [];
  const onProblem = (error: Error) => {
    problems.push(error.message);
  };

  const open = (name: string): Nats => {
    const nats = openNats({ url, name, onProblem });
    closing.after(nats.close);
    return nats;
  };

  const gateway = (gatewayId: string, options: Partial<GatewayReceiverOptions> = {}) => {
    const frames: string[] = [];
    const deliveries: Delivery[] = [];
    const missed: MissedReason[] = [];
    const gone: string[] = [];
    const replaced: string[] = [];
    const counts = { requests: 0, duplicates: 0, malformed: 0 };
    const nats = options.nats ?? open(gatewayId);
    const served = receiveForGateway({
      cell,
      gatewayId,
      onDeliver: (some) => {
        deliveries.push(...some);
        frames.push(...some.map(({ frame }) => frame));
      },
      onDisconnect: (userId, deviceId) => gone.push(`${userId} ${deviceId}`),
      onReplaced: ({ connectionId }) => replaced.push(connectionId),
      onMissed: (reason) => missed.push(reason),
      onProblem,
      metrics: {
        taken: () => counts.requests++,
        duplicate: () => counts.duplicates++,
        malformed: () => counts.malformed++,
      },
      ...options,
      nats,
    });
    closing.after(served.close);
    return { ...served, nats, frames, deliveries, missed, gone, replaced, counts };
  };

  const sender = (gatewaysOf: NatsBusOptions["gatewaysOf"], options: Partial<NatsBusOptions> = {}) => {
    const counts = { delivered: 0, retried: 0, gaveUp: 0, holes: 0, broadcasts: 0, ephemeralDropped: 0 };
    const nats = options.nats ?? open("sender");
    const bus = createNatsBus({
      cell,
      senderId: randomUUID(),
      gatewaysOf,
      onProblem,
      metrics: {
        delivered: (count) => (counts.delivered += count),
        retried: () => counts.retried++,
        gaveUp: (_, count) => (counts.gaveUp += count),
        hole: () => counts.holes++,
        broadcast: () => counts.broadcasts++,
        ephemeralDropped: (count) => (counts.ephemeralDropped += count),
      },
      ...options,
      nats,
    });
    closing.after(bus.stop);
    return { ...bus, nats, counts };
  };

  return { cell, problems, open, gateway, sender };
};

/** Every user on the gateways named. */
export const everybodyOn =
  (...gatewayIds: readonly string[]): NatsBusOptions["gatewaysOf"] =>
  (userIds) =>
    Promise.resolve(new Map(userIds.map((userId) => [userId, gatewayIds])));

/** A user's gateway is the part of the id in front of the dot. */
export const byName: NatsBusOptions["gatewaysOf"] = (userIds) =>
  Promise.resolve(new Map(userIds.map((userId) => [userId, [userId.split(".")[0] ?? ""]])));

const binary = join(
  process.env.PARLEY_SERVERS_CACHE ?? join(homedir(), ".cache", "parley-servers"),
  "bin",
  "nats-server",
);

/** A NATS server of the test's own, to be killed. */
export const createNatsServer = async (closing: Closing, settings = "") => {
  const port = await stablePort();
  const directory = mkdtempSync(join(tmpdir(), "parley-nats-"));
  const config = join(directory, "nats.conf");
  writeFileSync(config, settings);
  let child: ChildProcess | undefined;

  const kill = async (): Promise<void> => {
    const dying = child;
    child = undefined;
    if (dying?.exitCode !== null || dying.signalCode !== null) return;
    const died = new Promise((resolve) => dying.once("exit", resolve));
    dying.kill("SIGKILL");
    await died;
  };
  closing.after(async () => {
    await kill();
    rmSync(directory, { recursive: true });
  });

  return {
    url: `nats://127.0.0.1:${port}`,
    /** Resolves when it takes connections. */
    start: async (): Promise<void> => {
      child = spawn(binary, ["-c", config, "-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
      await answering(port);
    },
    kill,
    signal: (signal: "SIGSTOP" | "SIGCONT"): void => {
      child?.kill(signal);
    },
  };
};

/** Its greeting is enough: credentials are the test's business. */
const answering = async (port: number): Promise<void> => {
  for (let attempts = 0; ; attempts++) {
    const socket = createConnection(port, "127.0.0.1");
    try {
      await once(socket, "data");
      return;
    } catch (error) {
      if (attempts === 400) throw error;
      await pause(25);
    } finally {
      socket.destroy();
    }
  }
};

/** As a process that is paused: nothing of it runs meanwhile. */
export const standStill = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};
