/**
 * A work queue on JetStream, filled and worked off while a fault goes on. The product's processes do not use JetStream
 * before push is built, so that NATS' storage is nothing to them: here the test's own process does what they will do.
 */
import { randomUUID } from "node:crypto";
import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { openNats } from "../../../src/infra/engines/nats.js";
import { openJetStreamQueue } from "../../../src/infra/work-queue/jetstream/work-queue.js";
import { StoreUnavailable } from "../../../src/projections/ports/away.js";
import type { WorkQueue } from "../../../src/projections/ports/work-queue.js";
import { eventually } from "../../kit/device.js";
import type { OwnServers } from "../../kit/own-servers.js";
import { eventuallyPasses, longMs } from "./faults-kit.js";

export type Jobs = {
  /** Resolves when some that are enqueued from now on are acknowledged and done. */
  readonly goOn: () => Promise<void>;
  /** Removes what JetStream has stored; NATS must be dead. @throws (rejects) Error when the queue's stream is not there */
  readonly wipe: () => Promise<void>;
  /** Enqueues no more; resolves when all that was acknowledged since the wipe is done, and nothing from before it is left. */
  readonly finish: () => Promise<void>;
  /** NATS must be there again. Repeatable. */
  readonly close: () => Promise<void>;
};

/** What waits for a retry in an hour: it leaves the queue only together with the storage. */
const parked = "parked";
const someJobs = 20;

/** Starts to enqueue and to consume. @throws (rejects) StoreUnavailable when JetStream refuses */
export const startJobs = async ({ env }: OwnServers): Promise<Jobs> => {
  const name = `jobs_${randomUUID()}`;
  // That NATS is away is the test's own doing.
  const onProblem = (): void => undefined;
  const nats = openNats({ url: env.PARLEY_NATS_URL ?? "", name, onProblem });
  const queue = await openJetStreamQueue({
    ...{ connection: await nats.connection, name, onProblem, backoffMs: () => 0 },
    ...{ jobsMax: 10_000, bytesMax: 16_000_000 },
  });
  const done = new Set<string>();
  let seenParked = false;
  queue.consume(
    ({ id }) => {
      if (id === parked) {
        seenParked = true;
        return Promise.resolve({ kind: "retry", afterMs: 3_600_000 });
      }
      done.add(id);
      return Promise.resolve({ kind: "done" });
    },
    { concurrency: 4 },
  );
  await queue.enqueue([{ id: parked, payload: "" }]);
  await eventually(() => seenParked, "a job is put off", longMs);
  const producer = startProducer(queue);
  let wipedAt = Infinity;

  const storage = join(env.PARLEY_SERVERS_DIR ?? "", "nats", "jetstream");
  return {
    goOn: async () => {
      const since = performance.now();
      await eventually(
        () => producer.acknowledgedOf(since).filter((id) => done.has(id)).length >= someJobs,
        "jobs are acknowledged and done",
        longMs,
      );
    },
    wipe: async () => {
      wipedAt = performance.now();
      await access(join(storage, "$G", "streams", name));
      await rm(storage, { recursive: true });
    },
    finish: async () => {
      await producer.stop();
      await eventuallyPasses(async () => {
        expect(producer.acknowledgedOf(wipedAt).filter((id) => !done.has(id))).toEqual([]);
        expect(await queue.stats()).toEqual({ waiting: 0, dead: 0 });
      });
    },
    close: async () => {
      await producer.stop();
      await queue.close();
      await nats.close();
    },
  };
};

/** One job after the other; one that is not acknowledged is enqueued again until it is, or until the end. */
const startProducer = ({ enqueue }: Pick<WorkQueue, "enqueue">) => {
  const acknowledged: { readonly id: string; readonly sentAt: number }[] = [];
  const stopping = new AbortController();
  const isStopped = (): boolean => stopping.signal.aborted;
  const produce = async (): Promise<void> => {
    for (let i = 0; !isStopped();) {
      const [id, sentAt] = [`job-${i}`, performance.now()];
      try {
        await enqueue([{ id, payload: `${i}` }]);
        acknowledged.push({ id, sentAt });
        i += 1;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
      await sleep(20);
    }
  };
  const producing = produce();
  // Told by `stop`; a test that failed before has said why.
  producing.catch(() => undefined);
  return {
    /** Ids of what was sent after that, of performance.now, and acknowledged. */
    acknowledgedOf: (since: number): readonly string[] =>
      acknowledged.filter(({ sentAt }) => sentAt > since).map(({ id }) => id),
    stop: async () => {
      stopping.abort();
      await producing;
    },
  };
};
