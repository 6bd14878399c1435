/** What every `WorkQueue` promises (projections/ports/work-queue.ts), as one executable suite: each adapter's test runs it. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StoreUnavailable } from "../../src/projections/ports/away.js";
import type { DeadJob, Job, JobOutcome, WorkQueue } from "../../src/projections/ports/work-queue.js";
import { withSeed } from "../kit/seed.js";

export type QueueSettings = {
  readonly attemptsMax: number;
  readonly visibilityMs: number;
  readonly deduplicateMs: number;
  readonly jobsMax: number;
  readonly bytesMax: number;
  readonly backoffMs: (attempt: number) => number;
  readonly onProblem: (error: Error) => void;
};
export type OpenedQueue = WorkQueue & { readonly close: () => Promise<void> };

/** One queue's data, and ways to get at it. */
export type QueueHarness = {
  /** As often as wanted: each is another user of the same queue. */
  readonly open: (settings: QueueSettings) => Promise<OpenedQueue>;
  /** A process of its own takes a job and is killed with SIGKILL in the middle of it. */
  readonly takeAndDie: (settings: Pick<QueueSettings, "attemptsMax" | "visibilityMs">) => Promise<void>;
  /** After all of it was closed. */
  readonly dispose: () => Promise<void>;
};

const done: JobOutcome = { kind: "done" };
const again = (afterMs: number): JobOutcome => ({ kind: "retry", afterMs });
const jobOf = (id: string, payload = `payload of ${id}`): Job => ({ id, payload });
const idsOf = (jobs: readonly Job[]): readonly string[] => jobs.map(({ id }) => id);
const until = (condition: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(condition, { timeout: 60_000, interval: 10 });

/** A handler that notes what it was given. */
const recorder = (outcome: (job: Job, attempt: number) => JobOutcome | Promise<JobOutcome> = () => done) => {
  const seen: (Job & { readonly attempt: number })[] = [];
  return {
    seen,
    handler: async (job: Job, attempt: number): Promise<JobOutcome> => {
      seen.push({ ...job, attempt });
      return outcome(job, attempt);
    },
    attemptsOf: (wanted: string): readonly number[] => seen.filter(({ id }) => id === wanted).map((one) => one.attempt),
  };
};

/** A door that handlers wait at. */
const gate = () => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return {
    opened,
    open: () => {
      open();
    },
  };
};

export const workQueueContract = (name: string, start: () => Promise<QueueHarness>): void => {
  describe(`${name} as a work queue`, () => {
    let harness: QueueHarness;
    let problems: Error[];
    const opened: OpenedQueue[] = [];
    const open = async (settings: Partial<QueueSettings> = {}): Promise<OpenedQueue> => {
      const queue = await harness.open({
        attemptsMax: 3,
        visibilityMs: 1_000,
        deduplicateMs: 60_000,
        jobsMax: 10_000,
        bytesMax: 16_000_000,
        backoffMs: () => 0,
        onProblem: (error) => problems.push(error),
        ...settings,
      });
      opened.push(queue);
      return queue;
    };
    const empty = (queue: WorkQueue): Promise<void> =>
      until(async () => {
        expect((await queue.stats()).waiting).toBe(0);
      });
    beforeEach(async () => {
      problems = [];
      harness = await start();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((queue) => queue.close()));
      await harness.dispose();
    });

    describe("jobs", () => {
      it("gives every job with its id and payload, and no more once it is done", async () => {
        const queue = await open();
        const { handler, seen } = recorder();
        await queue.enqueue([jobOf("a"), jobOf("b")]);
        expect(await queue.stats()).toEqual({ waiting: 2, dead: 0 });
        const consumer = queue.consume(handler, { concurrency: 2 });
        await queue.enqueue([jobOf("c")]);
        await empty(queue);
        await consumer.stop();
        expect([...idsOf(seen)].sort()).toEqual(["a", "b", "c"]);
        expect(seen).toContainEqual({ ...jobOf("b"), attempt: 1 });
        expect(problems).toEqual([]);
      });

      it("takes any text as id and payload", async () => {
        const queue = await open();
        const { handler, seen } = recorder();
        queue.consume(handler, { concurrency: 4 });
        await queue.enqueue([jobOf("a.*>\r\n\u0000 %ü", "\u0000\r\n"), jobOf("💬".repeat(100), "")]);
        const text = fc.string({ unit: "binary", maxLength: 100 });
        const jobs = fc.uniqueArray(fc.record({ id: text, payload: text }), {
          selector: ({ id }) => id,
          maxLength: 20,
        });
        await fc.assert(
          fc.asyncProperty(jobs, fc.uuid(), async (given, unique) => {
            const made = given.map(({ id, payload }) => jobOf(unique + id, payload));
            await queue.enqueue(made);
            await until(() => {
              expect(seen.filter(({ id }) => id.startsWith(unique))).toHaveLength(made.length);
            });
            for (const job of made) expect(seen).toContainEqual({ ...job, attempt: 1 });
          }),
          withSeed({ numRuns: 10 }),
        );
        expect(seen).toContainEqual({ ...jobOf("a.*>\r\n\u0000 %ü", "\u0000\r\n"), attempt: 1 });
        expect(seen).toContainEqual({ ...jobOf("💬".repeat(100), ""), attempt: 1 });
      });

      it("refuses a job that is too large for ever, and what came with it", async () => {
        const queue = await open();
        const enqueue = (job: Job) => queue.enqueue([jobOf("ok"), job]);
        await expect(enqueue(jobOf("large", "ü".repeat(32_769)))).rejects.toThrow(/65538 bytes: at most 65536/);
        await expect(enqueue(jobOf("x".repeat(201)))).rejects.toThrow(/at most 200 characters/);
        await expect(enqueue(jobOf("\ud800"))).rejects.toThrow(/well-formed/);
        expect(await queue.stats()).toEqual({ waiting: 0, dead: 0 });
        await queue.enqueue([jobOf("x".repeat(200), "x".repeat(65_536))]);
        expect(await queue.stats()).toEqual({ waiting: 1, dead: 0 });
      });

      it("is one job by its id within the window, whether it is done or not", async () => {
        const queue = await open();
        const { handler, seen } = recorder();
        await queue.enqueue([jobOf("a"), jobOf("a")]);
        await queue.enqueue([jobOf("a"), jobOf("b")]);
        expect(await queue.stats()).toEqual({ waiting: 2, dead: 0 });
        queue.consume(handler, { concurrency: 1 });
        await empty(queue);
        await queue.enqueue([jobOf("b"), jobOf("c")]);
        await until(() => {
          expect(seen).toHaveLength(3);
        });
        await empty(queue);
        expect([...idsOf(seen)].sort()).toEqual(["a", "b", "c"]);
      });

      it("is another job by the same id after the window", async () => {
        const queue = await open({ deduplicateMs: 100 });
        const { handler, attemptsOf } = recorder();
        queue.consume(handler, { concurrency: 1 });
        await until(async () => {
          await queue.enqueue([jobOf("a")]);
          expect(attemptsOf("a").length).toBeGreaterThan(1);
        });
        expect(new Set(attemptsOf("a"))).toEqual(new Set([1]));
      });

      it("keeps them when it is opened again", async () => {
        const before = await open();
        await before.enqueue([jobOf("a"), jobOf("b")]);
        await before.close();
        const queue = await open();
        const { handler, seen } = recorder();
        await queue.enqueue([jobOf("b"), jobOf("c")]);
        queue.consume(handler, { concurrency: 1 });
        await empty(queue);
        expect([...idsOf(seen)].sort()).toEqual(["a", "b", "c"]);
      });

      it("refuses what is above its bound, and takes the identical call when there is room", async () => {
        const queue = await open({ jobsMax: 5 });
        const { handler, seen } = recorder();
        const jobs = ["a", "b", "c"].map((id) => jobOf(id));
        const more = ["d", "e", "f", "g"].map((id) => jobOf(id));
        await queue.enqueue(jobs);
        await expect(queue.enqueue(more)).rejects.toThrow(StoreUnavailable);
        expect((await queue.stats()).waiting).toBeLessThanOrEqual(5);
        queue.consume(handler, { concurrency: 1 });
        await until(() => queue.enqueue(more));
        await empty(queue);
        expect([...idsOf(seen)].sort()).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
      });

      it("is bounded in bytes as well", async () => {
        const queue = await open({ bytesMax: 100_000 });
        await queue.enqueue([jobOf("a", "x".repeat(60_000))]);
        await expect(queue.enqueue([jobOf("b", "x".repeat(60_000))])).rejects.toThrow(StoreUnavailable);
        expect(await queue.stats()).toEqual({ waiting: 1, dead: 0 });
      });
    });

    describe("attempts", () => {
      it("repeats a job after the delay that its handler asks for", async () => {
        const queue = await open();
        const { handler, seen } = recorder(({ id }, attempt) =>
          attempt === 1 ? again(id === "later" ? 5_000 : 0) : done,
        );
        await queue.enqueue([jobOf("later")]);
        queue.consume(handler, { concurrency: 1 });
        await until(() => {
          expect(seen).toHaveLength(1);
        });
        await queue.enqueue([jobOf("soon")]);
        await empty(queue);
        expect(seen.map(({ id, attempt }) => `${id} ${attempt}`)).toEqual(["later 1", "soon 1", "soon 2", "later 2"]);
      });

      it("repeats a rejected job after its own backoff, and buries it after the last attempt", async () => {
        const asked: number[] = [];
        const queue = await open({
          attemptsMax: 4,
          backoffMs: (attempt) => {
            asked.push(attempt);
            return 1.5;
          },
        });
        const { handler, attemptsOf } = recorder(({ id }) => {
          if (id === "bad") throw new Error("no such host");
          return done;
        });
        await queue.enqueue([jobOf("bad"), jobOf("good")]);
        queue.consume(handler, { concurrency: 1 });
        await empty(queue);
        expect(attemptsOf("bad")).toEqual([1, 2, 3, 4]);
        expect(attemptsOf("good")).toEqual([1]);
        expect(asked.slice(0, 3)).toEqual([1, 2, 3]);
        expect(problems).toHaveLength(4);
        const [dead, ...others] = await queue.dead({ limit: 10 });
        expect(others).toEqual([]);
        expect(dead).toMatchObject({ ...jobOf("bad"), attempts: 4 });
        expect(dead?.reason).toMatch(/4 attempts.*no such host/);
        expect(Math.abs((dead?.diedAt ?? 0) - Date.now())).toBeLessThan(60_000);
      });

      it("buries a job that asks for another attempt after its last one", async () => {
        const queue = await open({ attemptsMax: 2 });
        const { handler, attemptsOf } = recorder(() => again(0));
        await queue.enqueue([jobOf("a")]);
        queue.consume(handler, { concurrency: 1 });
        await empty(queue);
        expect(attemptsOf("a")).toEqual([1, 2]);
        expect(idsOf(await queue.dead({ limit: 10 }))).toEqual(["a"]);
      });

      it("gives the job of a consumer that died to another, as its next attempt", async () => {
        const queue = await open({ visibilityMs: 500 });
        await queue.enqueue([jobOf("a")]);
        await harness.takeAndDie({ attemptsMax: 3, visibilityMs: 500 });
        const { handler, seen } = recorder();
        queue.consume(handler, { concurrency: 2 });
        await empty(queue);
        expect(seen).toEqual([{ ...jobOf("a"), attempt: 2 }]);
      });

      it("buries a job that kills its consumers, without trying it once more", async () => {
        const settings = { attemptsMax: 2, visibilityMs: 300 };
        const queue = await open(settings);
        await queue.enqueue([jobOf("deadly")]);
        await harness.takeAndDie(settings);
        await harness.takeAndDie(settings);
        const { handler, seen } = recorder();
        queue.consume(handler, { concurrency: 2 });
        await empty(queue);
        expect(seen).toEqual([]);
        const [dead] = await queue.dead({ limit: 10 });
        expect(dead?.reason).toMatch(/nothing came of 2 attempts/);
      });

      it("keeps a job from others for as long as its handler runs", async () => {
        // Long enough for a machine that stands still now and then; the clock is well beyond it.
        const [one, two] = [await open({ visibilityMs: 2_000 }), await open({ visibilityMs: 2_000 })];
        const { opened: mayEnd, open: end } = gate();
        const { handler, attemptsOf } = recorder(async ({ id }, attempt) => {
          if (id === "clock") return attempt === 1 ? again(5_000) : done;
          await mayEnd;
          return done;
        });
        await one.enqueue([jobOf("long"), jobOf("clock")]);
        one.consume(handler, { concurrency: 2 });
        two.consume(handler, { concurrency: 2 });
        await until(() => {
          expect(attemptsOf("clock")).toEqual([1, 2]);
        });
        end();
        await empty(one);
        expect(attemptsOf("long")).toEqual([1]);
      });
    });

    describe("consumers", () => {
      it("runs as many handlers at once as it may, and no more", async () => {
        const queue = await open();
        const { opened: mayEnd, open: end } = gate();
        let [running, runningMax] = [0, 0];
        const { handler, seen } = recorder(async () => {
          runningMax = Math.max(runningMax, ++running);
          await mayEnd;
          running--;
          return done;
        });
        await queue.enqueue(Array.from({ length: 30 }, (_, i) => jobOf(`j${i}`)));
        queue.consume(handler, { concurrency: 4 });
        await until(() => {
          expect(running).toBe(4);
        });
        end();
        await empty(queue);
        expect(runningMax).toBe(4);
        expect(seen).toHaveLength(30);
      });

      it("waits for its handlers when it is stopped, and starts none after that", async () => {
        const queue = await open();
        const { opened: mayEnd, open: end } = gate();
        const { handler, seen } = recorder(async () => {
          await mayEnd;
          return done;
        });
        await queue.enqueue(["a", "b", "c"].map((id) => jobOf(id)));
        const consumer = queue.consume(handler, { concurrency: 2 });
        await until(() => {
          expect(seen).toHaveLength(2);
        });
        let stopped = false;
        const stopping = consumer.stop().then(() => (stopped = true));
        await queue.enqueue([jobOf("d")]);
        expect(stopped).toBe(false);
        end();
        await stopping;
        expect(seen).toHaveLength(2);
        expect(await queue.stats()).toEqual({ waiting: 2, dead: 0 });
        const next = recorder();
        queue.consume(next.handler, { concurrency: 1 });
        await empty(queue);
        expect(next.seen).toHaveLength(2);
      });

      it("stops one that has nothing to do, and twice", async () => {
        const queue = await open();
        const consumer = queue.consume(recorder().handler, { concurrency: 3 });
        await queue.stats();
        await Promise.all([consumer.stop(), consumer.stop()]);
        await consumer.stop();
      });

      it("does 2,000 jobs by two consumers, each of them once", async () => {
        const [one, two] = [await open({ visibilityMs: 30_000 }), await open({ visibilityMs: 30_000 })];
        const [left, right] = [recorder(), recorder()];
        const consumers = [
          one.consume(left.handler, { concurrency: 8 }),
          two.consume(right.handler, { concurrency: 8 }),
        ];
        const ids = Array.from({ length: 2_000 }, (_, i) => `j${String(i).padStart(4, "0")}`);
        for (let i = 0; i < ids.length; i += 500) await one.enqueue(ids.slice(i, i + 500).map((id) => jobOf(id)));
        await empty(two);
        await Promise.all(consumers.map((consumer) => consumer.stop()));
        expect([...idsOf(left.seen), ...idsOf(right.seen)].sort()).toEqual(ids);
        expect(problems).toEqual([]);
      });
    });

    describe("dead letters", () => {
      const ids = ["d1", "d2", "d3", "d4", "d5"];
      /** One after another, so that they die in this order. */
      const bury = async (queue: WorkQueue, wanted: readonly string[]): Promise<void> => {
        const consumer = queue.consume(() => Promise.resolve({ kind: "dead", reason: "gone" }), { concurrency: 1 });
        for (const id of wanted) {
          await queue.enqueue([jobOf(id)]);
          await empty(queue);
        }
        await consumer.stop();
      };
      const pages = async (queue: WorkQueue, limit: number): Promise<readonly DeadJob[]> => {
        const all: DeadJob[] = [];
        for (;;) {
          const after = all.at(-1)?.id;
          const page = await queue.dead({ limit, ...(after === undefined ? {} : { after }) });
          if (page.length === 0) return all;
          expect(page.length).toBeLessThanOrEqual(limit);
          all.push(...page);
        }
      };

      it("are listed by pages, oldest first", async () => {
        const queue = await open();
        expect(await queue.dead({ limit: 10 })).toEqual([]);
        await bury(queue, ids);
        expect(await queue.stats()).toEqual({ waiting: 0, dead: 5 });
        expect(idsOf(await pages(queue, 2))).toEqual(ids);
        expect((await queue.dead({ limit: 1 }))[0]).toMatchObject({ ...jobOf("d1"), reason: "gone", attempts: 1 });
        expect(idsOf(await queue.dead({ after: "d4", limit: 10 }))).toEqual(["d5"]);
        expect(idsOf(await queue.dead({ after: "never was", limit: 2 }))).toEqual(["d1", "d2"]);
      });

      it("are redriven as new jobs, though their ids were enqueued a moment ago", async () => {
        const queue = await open();
        await bury(queue, ids);
        expect(await queue.redrive(["d2", "d4", "nobody"])).toBe(2);
        expect(await queue.redrive(["d2"])).toBe(0);
        expect(await queue.stats()).toEqual({ waiting: 2, dead: 3 });
        const { handler, seen } = recorder();
        queue.consume(handler, { concurrency: 1 });
        await empty(queue);
        expect(seen).toHaveLength(2);
        expect(seen).toContainEqual({ ...jobOf("d2"), attempt: 1 });
        expect(seen).toContainEqual({ ...jobOf("d4"), attempt: 1 });
        expect(idsOf(await pages(queue, 10))).toEqual(["d1", "d3", "d5"]);
      });

      it("may die again after they were redriven, and are the newest then", async () => {
        const queue = await open();
        await bury(queue, ["d1", "d2"]);
        await queue.redrive(["d1"]);
        await bury(queue, ["d3"]);
        expect([...idsOf(await pages(queue, 10))].sort()).toEqual(["d1", "d2", "d3"]);
        expect(idsOf(await queue.dead({ limit: 1 }))).toEqual(["d2"]);
      });

      it("are removed for good", async () => {
        const queue = await open();
        await bury(queue, ids);
        expect(await queue.removeDead(["d1", "d5", "nobody"])).toBe(2);
        expect(await queue.removeDead(["d1"])).toBe(0);
        expect(await queue.stats()).toEqual({ waiting: 0, dead: 3 });
        expect(idsOf(await pages(queue, 2))).toEqual(["d2", "d3", "d4"]);
      });

      it("are bounded too: a job for which there is no room stays one", async () => {
        const queue = await open({ jobsMax: 2, backoffMs: () => 50 });
        await bury(queue, ["d1", "d2"]);
        await queue.enqueue([jobOf("d3")]);
        queue.consume(() => Promise.resolve({ kind: "dead", reason: "gone" }), { concurrency: 1 });
        await until(() => {
          expect(problems.length).toBeGreaterThan(1);
        });
        expect(await queue.stats()).toEqual({ waiting: 1, dead: 2 });
        await queue.removeDead(["d1"]);
        await empty(queue);
        expect(idsOf(await pages(queue, 10))).toEqual(["d2", "d3"]);
      });
    });
  });
};
