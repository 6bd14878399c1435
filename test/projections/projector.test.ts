import fc from "fast-check";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { decodeEvent } from "../../src/domain/catalogue.js";
import { asPosition, firstRevision, noPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import type { DeliveryShare } from "../../src/projections/delivery/delivery.js";
import { partitionOf } from "../../src/projections/partitions.js";
import { StoreUnavailable } from "../../src/projections/ports/away.js";
import type { EventSource } from "../../src/projections/ports/event-source.js";
import type { ViewStore } from "../../src/projections/ports/view-store.js";
import { createProjector, type PartitionCheckpoints, type ProjectorOptions } from "../../src/projections/projector.js";
import { project } from "../../src/projections/registry.js";
import { startRunner, type ProjectionFailure } from "../../src/projections/runner.js";
import type { ViewChange } from "../../src/projections/view-change.js";
import { createWriter, logs } from "../kit/arbitraries.js";
import { eventually } from "../kit/device.js";
import { openLogKit, type LogKit } from "../kit/log.js";
import { randomFrom, type Random } from "../kit/random.js";
import { seed, untilSeen } from "../kit/seed.js";
import { coreStore, withCoreStore } from "../kit/sqlite-views.js";
import { someTurns } from "../kit/turns.js";
import { dumpViews } from "../kit/views.js";

const epoch = "e";
const storeAway = new StoreUnavailable("away");

/** As a store keeps them: each the largest that was ever raised. */
const createCheckpoints = (count: number) => {
  const positions = new Array<number | undefined>(count).fill(undefined);
  const checkpoints: PartitionCheckpoints = {
    load: () =>
      Promise.resolve(
        positions.map((position) => (position === undefined ? undefined : { position: asPosition(position), epoch })),
      ),
    raise: (partitions, { position }) => {
      for (const partition of partitions) positions[partition] = Math.max(position, positions[partition] ?? 0);
      return Promise.resolve();
    },
  };
  return { ...checkpoints, positions };
};

const append = async ({ log }: LogKit, events: readonly RecordedEvent[]): Promise<void> => {
  await Promise.all(
    events.map(({ stream, id, type, data, meta }) => log.append(stream, "any", [{ id, type, data, meta }])),
  );
};
/** Registrations of users `from` up to, not including, `to`. */
const userEvents = (from: number, to: number): readonly RecordedEvent[] => {
  const { log, write } = createWriter();
  for (let i = 0; i < to; i += 1)
    write(`user-u${i}`, `u${i}`, { type: "UserRegistered", userId: `u${i}`, home: "main" });
  return log.slice(from);
};

describe("the projector", () => {
  let kit: LogKit;
  beforeEach(async () => {
    // No back-off worth waiting for.
    vi.spyOn(Math, "random").mockReturnValue(0);
    kit = await openLogKit();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await kit.dispose();
  });

  /** One projector whose views are a list, and whose delivery the test plays. */
  const setUp = (options: Partial<ProjectorOptions> = {}) => {
    const [views, delivery] = [createCheckpoints(4), createCheckpoints(4)];
    const shares: { readonly share: DeliveryShare; readonly onEnded: (error: Error) => void; stopped: boolean }[] = [];
    const [failures, writes]: [ProjectionFailure[], (readonly ViewChange[])[]] = [[], []];
    /** What each part said last, and how often it failed. */
    const problems = new Map<string, Error | undefined>();
    const told: unknown[] = [];
    const open = new Set<object>();
    const source: EventSource = {
      ...kit.log,
      subscribe: (from, subscriber) => {
        const subscription = kit.log.subscribe(from, subscriber);
        open.add(subscription);
        const stop = (): void => {
          open.delete(subscription);
          subscription.stop();
        };
        return { stop };
      },
    };
    const projector = createProjector({
      ...{ source, epoch, partitions: 4, clock: () => 10_000, checkpoints: { views, delivery } },
      views: { write: (changes) => Promise.resolve(void writes.push(changes)) },
      deliver: (share, onEnded) => {
        const delivering = { share, onEnded, stopped: false };
        shares.push(delivering);
        return { position: () => noPosition, stop: () => (delivering.stopped = true) };
      },
      onProblem: (part, problem) => {
        problems.set(part, problem);
        if (problem !== undefined) told.push(problem);
      },
      onUnsaved: (error) => told.push(error),
      onFailure: (failure) => failures.push(failure),
      ...options,
    });
    /** Resolves when both parts work on them. */
    const hold = async (partitions: readonly number[]): Promise<void> => {
      const before = shares.length;
      await projector.hold(partitions);
      if (partitions.length === 0) return;
      await eventually(() => shares.length > before && open.size > 0, "both parts work");
    };
    return { projector, hold, views, delivery, shares, told, problems, failures, writes, open };
  };

  it("views begin at the start and delivery at the head, and both are certain when it holds", async () => {
    await append(kit, userEvents(0, 20));
    const { projector, hold, views, delivery, shares } = setUp();
    await hold([0, 1]);
    expect(shares.map(({ share }) => share.from)).toEqual([20]);
    expect(delivery.positions).toEqual([20, 20, undefined, undefined]);
    await eventually(() => views.positions[0] === 20, "the views");
    expect(views.positions).toEqual([20, 20, undefined, undefined]);
    await projector.stop();
  });

  it("takes over at the checkpoints: from the smallest on, each event once that is its own and not done", async () => {
    await append(kit, userEvents(0, 40));
    const { projector, hold, views, delivery, shares, writes } = setUp();
    for (const checkpoints of [views, delivery]) {
      await checkpoints.raise([0], { position: asPosition(10), epoch });
      await checkpoints.raise([1], { position: asPosition(25), epoch });
    }
    await hold([0, 1]);
    const events = await kit.log.readAll(noPosition, 100);
    const isOwed = ({ stream, position }: RecordedEvent): boolean => {
      const partition = partitionOf(stream, 4);
      return (partition === 0 && position > 10) || (partition === 1 && position > 25);
    };
    const [share] = shares;
    expect([share?.share.from, delivery.positions]).toEqual([10, [10, 25, undefined, undefined]]);
    expect(events.filter((each) => share?.share.isMine(each))).toEqual(events.filter(isOwed));
    await eventually(() => views.positions[1] === 40, "the views");
    const owed = events.filter(isOwed).flatMap((each) => project(decodeEvent(each), each));
    expect(writes.flat()).toEqual(owed);
    expect(owed.length).toBeGreaterThan(0);
    await projector.stop();
  });

  it("is late with what is older than a second, and with what does not say", async () => {
    const { projector, hold, shares } = setUp();
    await hold([0]);
    const [aUser = expect.fail("no event")] = userEvents(0, 1);
    const isLate = (meta: string) => shares[0]?.share.isLate({ ...aUser, meta });
    expect([8_999, 9_000, 9_999, 11_000].map((at) => isLate(JSON.stringify({ at })))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(isLate("{}")).toBe(true);
    await projector.stop();
  });

  it("works on exactly what it holds: what it had before is stopped, and nothing means nothing", async () => {
    const { projector, hold, shares, open } = setUp();
    await hold([0, 1]);
    await hold([2]);
    expect([shares.map(({ stopped }) => stopped), open.size]).toEqual([[true, false], 1]);
    await hold([]);
    expect([shares.map(({ stopped }) => stopped), open.size]).toEqual([[true, true], 0]);
    await projector.stop();
    await projector.hold([0]);
    expect([shares.length, open.size]).toEqual([2, 0]);
  });

  it("leaves nothing running when it is stopped while it takes partitions over", async () => {
    const checkpoints = createCheckpoints(4);
    let goOn: () => void = () => undefined;
    let say: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (say = resolve));
    const load: PartitionCheckpoints["load"] = async () => {
      say();
      await new Promise<void>((resolve) => (goOn = resolve));
      return checkpoints.load();
    };
    const { projector, shares, open } = setUp({
      checkpoints: { views: { ...checkpoints, load }, delivery: createCheckpoints(4) },
    });
    const holding = projector.hold([0]);
    await asked;
    const stopping = projector.stop();
    goOn();
    await Promise.all([holding, stopping]);
    expect([shares.filter(({ stopped }) => !stopped).length, open.size]).toEqual([0, 0]);
  });

  it("begins again for as long as anything keeps it from beginning, an answer of no sense too, and tells why", async () => {
    for (const error of [storeAway, new Error("nonsense")]) {
      let failing = 5;
      const checkpoints = createCheckpoints(4);
      const flaky = <A>(answer: () => Promise<A>): Promise<A> => (failing-- > 0 ? Promise.reject(error) : answer());
      const { projector, hold, told, problems } = setUp({
        checkpoints: {
          views: { ...checkpoints, load: () => flaky(checkpoints.load) },
          delivery: { ...checkpoints, raise: (...args) => flaky(() => checkpoints.raise(...args)) },
        },
      });
      await hold([0]);
      expect(told).toEqual([error, error, error, error, error]);
      expect([...problems.values()]).toEqual([undefined, undefined]);
      await projector.stop();
    }
  });

  it("views that cannot begin keep no frames away, and their reason is told until they hold something else", async () => {
    const error = new Error("nonsense");
    const { projector, shares, problems } = setUp({
      checkpoints: {
        views: { ...createCheckpoints(4), load: () => Promise.reject(error) },
        delivery: createCheckpoints(4),
      },
    });
    await projector.hold([0]);
    await eventually(() => shares.length === 1 && problems.get("views") === error, "delivery alone");
    await projector.hold([]);
    expect([shares[0]?.stopped, problems.get("views")]).toEqual([true, undefined]);
    await projector.stop();
  });

  it("delivery that ends by itself begins again at its checkpoint, and is told until then", async () => {
    await append(kit, userEvents(0, 20));
    const { projector, hold, delivery, shares, told } = setUp();
    await hold([0]);
    await delivery.raise([0], { position: asPosition(7), epoch });
    await append(kit, userEvents(20, 30));
    const error = new Error("the log is gone");
    shares[0]?.onEnded(error);
    await eventually(() => shares.length === 2, "delivery again");
    expect([told, shares.map(({ stopped }) => stopped)]).toEqual([[error], [true, false]]);
    expect(shares[1]?.share.from).toBe(20);
    await projector.stop();
  });

  it("views whose subscription ends by itself begin again at their checkpoint", async () => {
    const subscribers: Parameters<EventSource["subscribe"]>[1][] = [];
    const source: EventSource = {
      ...kit.log,
      subscribe: (from, subscriber) => {
        subscribers.push(subscriber);
        return kit.log.subscribe(from, subscriber);
      },
    };
    await append(kit, userEvents(0, 20));
    const { projector, views, told, problems } = setUp({ source });
    await projector.hold([0]);
    await eventually(() => views.positions[0] === 20, "the views");
    const error = new Error("the log is gone");
    subscribers[0]?.onFailure(error);
    await eventually(() => subscribers.length === 2 && problems.get("views") === undefined, "the views again");
    await append(kit, userEvents(20, 30));
    await eventually(() => views.positions[0] === 30, "what came after");
    expect(told).toEqual([error]);
    await projector.stop();
  });

  it("views begin again at their checkpoints when there are other generations to write; nothing is wrong, and delivery goes on", async () => {
    await append(kit, userEvents(0, 20));
    const listeners = new Set<() => void>();
    const onGenerations = (changed: () => void) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    };
    const written: number[] = [];
    const write = (changes: readonly ViewChange[]) => Promise.resolve(void written.push(changes.length));
    const { projector, hold, views, shares, told } = setUp({ views: { write, onGenerations } });
    await hold([0]);
    await eventually(() => views.positions[0] === 20, "the views");
    const before = written.length;
    // The other generation is nowhere yet.
    views.positions[0] = 0;
    for (const changed of listeners) changed();
    await eventually(() => views.positions[0] === 20, "the views again");
    expect(written.length).toBeGreaterThan(before);
    expect([told, shares.length, listeners.size]).toEqual([[], 1, 1]);
    await projector.stop();
    expect(listeners.size).toBe(0);
  });

  it("saves how far delivery came now and then, again after a failure, and at the end", async () => {
    const delivery = createCheckpoints(4);
    const raised: number[] = [];
    let away = false;
    const raise: PartitionCheckpoints["raise"] = (partitions, checkpoint) => {
      raised.push(checkpoint.position);
      return away ? Promise.reject(storeAway) : delivery.raise(partitions, checkpoint);
    };
    const { projector, hold, shares, told } = setUp({
      checkpoints: { views: createCheckpoints(4), delivery: { ...delivery, raise } },
    });
    await hold([3]);
    const save = shares[0]?.share.onDelivered;
    away = true;
    for (let position = 1; position <= 1_000; position += 1) save?.(asPosition(position));
    await eventually(() => told.length > 0, "a failed attempt");
    away = false;
    await eventually(() => delivery.positions[3] === 1_000, "the next one");
    expect(raised.length).toBeLessThan(100);
    save?.(asPosition(1_001));
    await projector.stop();
    expect(delivery.positions).toEqual([undefined, undefined, undefined, 1_001]);
  });

  it("stops the views at what it cannot project, and not delivery; what is broken elsewhere is not its business", async () => {
    await append(kit, userEvents(0, 10));
    const [tenth = expect.fail("no event")] = userEvents(10, 11);
    const broken = { ...tenth, data: "{" };
    const partition = partitionOf(broken.stream, 4);
    await append(kit, [broken, ...userEvents(11, 15)]);
    const [mine, others] = [setUp(), setUp()];
    await mine.projector.hold([partition]);
    await others.hold([0, 1, 2, 3].filter((each) => each !== partition));
    await eventually(() => mine.failures.length > 0 && mine.shares.length > 0, "the failure, and delivery");
    expect(mine.failures).toMatchObject([{ event: { position: 11 } }]);
    expect(mine.shares.map(({ stopped }) => stopped)).toEqual([false]);
    expect(mine.views.positions[partition] ?? 0).toBeLessThan(11);
    await eventually(() => others.views.positions[(partition + 1) % 4] === 15, "the others' views");
    expect(others.failures).toEqual([]);
    await Promise.all([mine.projector.stop(), others.projector.stop()]);
  });
});

/** A process: everything that it asks of the outside never answers once it is dead, done or not. */
const createLife = (random: Random) => {
  const never = new Promise<never>(() => undefined);
  let dead = false;
  const turns = (): Promise<void> => someTurns(random, 3);
  /** Fails now and then, before or after it has worked. */
  const call = async <A>(work: () => Promise<A>): Promise<A> => {
    await turns();
    if (dead) return never;
    if (random.chance(0.1)) throw random.chance(0.5) ? storeAway : new Error("nonsense");
    const answer = await work();
    if (isDead()) return never;
    if (random.chance(0.1)) throw storeAway;
    return answer;
  };
  const isDead = (): boolean => dead;
  return { call, turns, isDead, die: () => (dead = true), never };
};
type Life = ReturnType<typeof createLife>;

/** A log's subscription in small batches, some time after the appends. */
const inSmallBatches = (kit: LogKit, random: Random, life: Life): EventSource => ({
  ...kit.log,
  head: () => life.call(kit.log.head),
  subscribe: (from, { onEvents, onFailure }) =>
    kit.log.subscribe(from, {
      onFailure,
      onEvents: async (events) => {
        for (let taken = 0; taken < events.length;) {
          const size = 1 + random.int(8);
          await life.turns();
          if (life.isDead()) return life.never;
          await onEvents(events.slice(taken, taken + size));
          taken += size;
        }
      },
    }),
});

const inOrder = async (kit: LogKit, store: ViewStore): Promise<unknown> => {
  const head = await kit.log.head();
  const failures: ProjectionFailure[] = [];
  const runner = startRunner({
    ...{ source: kit.log, apply: store.apply, from: { position: noPosition, epoch }, onCheckpoint: () => undefined },
    onProblem: () => undefined,
    onFailure: (failure) => failures.push(failure),
  });
  runner.hurry(head);
  await eventually(() => runner.checkpoint().position === head, "the runner");
  await runner.stop();
  expect(failures).toEqual([]);
  return dumpViews(store.reads);
};

it("takes an event for late that does not say when it happened: others may write to the log", async () => {
  const kit = await openLogKit();
  const shares: DeliveryShare[] = [];
  const none = { load: () => Promise.resolve([]), raise: () => Promise.resolve() };
  const projector = createProjector({
    ...{ source: kit.log, epoch, partitions: 1, clock: () => 10_000 },
    views: { write: () => Promise.resolve() },
    checkpoints: { views: none, delivery: none },
    deliver: (share) => {
      shares.push(share);
      return { position: () => noPosition, stop: () => undefined };
    },
    onProblem: () => undefined,
    onUnsaved: () => undefined,
    onFailure: () => undefined,
  });
  await projector.hold([0]);
  await eventually(() => shares.length > 0, "delivery has begun");
  const lateWith = (meta: string) =>
    shares[0]?.isLate({
      id: "1",
      type: "T",
      data: "{}",
      meta,
      stream: "user-a",
      revision: firstRevision,
      position: asPosition(1),
    });
  expect(["", "null", "not JSON", "{}", '{"at":8999}', '{"at":9001}'].map(lateWith)).toEqual([
    true,
    true,
    true,
    true,
    true,
    false,
  ]);
  await projector.stop();
  await kit.dispose();
});

it(`projectors that take partitions from each other, die, and meet a store that fails make the views of one (seed ${seed})`, async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  const seen = { away: 0, raises: 0, deaths: 0 };
  await untilSeen(seen, 1, (runs) =>
    fc.assert(
      fc.asyncProperty(logs, fc.integer({ min: 1, max: 6 }), fc.nat(), async (script, partitions, chance) => {
        const random = randomFrom(chance);
        const kit = await openLogKit();
        const store = coreStore(join(kit.dir, "views.db"));
        const views = createCheckpoints(partitions);
        const delivery = createCheckpoints(partitions);
        const problems: unknown[] = [];
        const written = new Set<string>();
        const textsOf = (changes: readonly ViewChange[]) => changes.map((change) => JSON.stringify(change));
        const projected = new Map<number, readonly string[]>();
        const wantedOf = (each: RecordedEvent): readonly string[] => {
          const known = projected.get(each.position) ?? textsOf(project(decodeEvent(each), each));
          projected.set(each.position, known);
          return known;
        };
        /** The law: whatever is of these partitions and up to there is in the store. */
        const expectWritten = async (held: readonly number[], position: number): Promise<void> => {
          seen.raises += 1;
          const log = await kit.log.readAll(noPosition, 10_000);
          for (const each of log) {
            if (each.position > position || !held.includes(partitionOf(each.stream, partitions))) continue;
            const missing = wantedOf(each).filter((change) => !written.has(change));
            if (missing.length > 0) problems.push({ held, position: asPosition(position), event: each, missing });
          }
        };
        const start = () => {
          const life = createLife(random);
          const projector = createProjector({
            ...{ source: inSmallBatches(kit, random, life), epoch, partitions, clock: Date.now },
            views: {
              write: (changes) =>
                life.call(async () => {
                  await store.apply(changes, { position: noPosition, epoch });
                  for (const change of textsOf(changes)) written.add(change);
                }),
            },
            checkpoints: {
              views: {
                load: () => life.call(views.load),
                raise: (held, checkpoint) =>
                  life.call(async () => {
                    await expectWritten(held, checkpoint.position);
                    await views.raise(held, checkpoint);
                  }),
              },
              delivery: {
                load: () => life.call(delivery.load),
                raise: (...raised) => life.call(() => delivery.raise(...raised)),
              },
            },
            deliver: () => ({ position: () => noPosition, stop: () => undefined }),
            onProblem: (_, problem) => (seen.away += problem === undefined ? 0 : 1),
            onUnsaved: () => (seen.away += 1),
            onFailure: (failure) => problems.push(failure),
          });
          let holding: Promise<void> = Promise.resolve();
          const hold = (parts: readonly number[]): Promise<void> =>
            (holding = holding.then(() => projector.hold(parts)));
          return { life, hold, stop: projector.stop };
        };
        const all = Array.from({ length: partitions }, (_, partition) => partition);
        const processes = [start(), start()];
        for (let from = 0; from < script.length;) {
          const size = 1 + random.int(20);
          await append(kit, script.slice(from, from + size));
          from += size;
          const slot = random.int(2);
          if (random.chance(0.3)) {
            processes[slot]?.life.die();
            processes[slot] = start();
            seen.deaths += 1;
          }
          // Some by both, some by neither for a while; with or without waiting for it.
          const holding = processes[slot]?.hold(all.filter(() => random.chance(0.6)));
          if (random.chance(0.7)) await holding;
        }
        await processes[0]?.hold(all.filter((partition) => partition % 2 === 0));
        await processes[1]?.hold(all.filter((partition) => partition % 2 === 1));
        const head = await kit.log.head();
        await eventually(
          () => problems.length > 0 || views.positions.every((position) => position === head),
          "the head",
        );
        for (const each of processes) await each.stop();
        expect(problems).toEqual([]);
        const made = await dumpViews(store.reads);
        expect(made).toEqual(await withCoreStore((other) => inOrder(kit, other)));
        store.close();
        await kit.dispose();
      }),
      runs(10),
    ),
  );
  vi.restoreAllMocks();
});
