/** What every `EventLog` promises (commands/ports.ts), as one executable suite: each adapter's test runs it. */
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AppendResult, EventLog } from "../../src/commands/ports.js";
import {
  asPosition,
  asRevision,
  firstRevision,
  noPosition,
  type NewEvent,
  type Position,
  type RecordedEvent,
} from "../../src/domain/kernel/stream.js";
import { oddJson } from "../kit/odd-json.js";
import { seed } from "../kit/seed.js";

export type OpenedLog = {
  readonly log: EventLog;
  /** Closes the log and opens it again on the same data. */
  readonly reopen: () => Promise<EventLog>;
  readonly close: () => Promise<void>;
};

/** Where adapters differ by what they stand on. */
export type LogTraits = {
  /**
   * `local`: the log is this process's alone and empty at first, `"head"` is the head at the call, and it knows for ever
   * what was appended with `any`. `remote`: others write into it as well, `"head"` is taken some time after the call, a
   * repetition while the first is under way may have no answer, and with `any` it may be written once more. Nothing may
   * rely on more than that.
   */
  readonly place: "local" | "remote";
};

export const newEvent = (data: unknown = {}, id: string = randomUUID()): NewEvent => ({
  id,
  type: "MessageSent",
  data: JSON.stringify(data),
  meta: '{"schema":1}',
});
export const newEvents = (count: number): NewEvent[] => Array.from({ length: count }, (_, i) => newEvent({ i }));
export const newStream = (): string => `conversation-d_${randomUUID()}`;

const idsOf = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id);
const revisionsOf = (events: readonly RecordedEvent[]): number[] => events.map(({ revision }) => revision);
const positionsOf = (events: readonly RecordedEvent[]): readonly Position[] => events.map(({ position }) => position);

/** The answer of an append that has to be taken. */
export const appended = async (result: Promise<AppendResult>): Promise<{ revision: number; position: Position }> => {
  const answer = await result;
  expect(answer).toMatchObject({ kind: "appended" });
  return answer as { kind: "appended"; revision: number; position: Position };
};

/** As the retry loop does it: again until the outcome is known. */
const untilKnown = async (append: () => Promise<AppendResult>): Promise<AppendResult> => {
  for (;;) {
    try {
      return await append();
    } catch (error) {
      expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    }
  }
};

/** Collects what a subscription hands over; `until` resolves when that many have come. A batch is handled when `handle` is. */
export const collect = (log: EventLog, from: Position | "head", handle?: () => Promise<void>) => {
  const events: RecordedEvent[] = [];
  const waiting: { count: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  let overlapping = 0;
  let busy = false;
  const subscription = log.subscribe(from, {
    onEvents: (batch) => {
      if (busy) overlapping++;
      events.push(...batch);
      for (const { count, resolve } of waiting) if (events.length >= count) resolve();
      if (handle === undefined) return undefined;
      busy = true;
      return handle().then(() => {
        busy = false;
      });
    },
    onFailure: (error) => {
      for (const { reject } of waiting) reject(error);
    },
  });
  const until = (count: number): Promise<void> =>
    events.length >= count
      ? Promise.resolve()
      : new Promise((resolve, reject) => waiting.push({ count, resolve, reject }));
  return { events, until, stop: subscription.stop, overlapping: () => overlapping };
};

export const eventLogContract = (
  name: string,
  open: () => Promise<OpenedLog>,
  traits: LogTraits = { place: "local" },
): void => {
  describe(`${name} as an event log`, () => {
    let opened: OpenedLog;
    let log: EventLog;
    beforeEach(async () => {
      opened = await open();
      ({ log } = opened);
    });
    afterEach(async () => {
      await opened.close();
    });

    appending(() => log, traits);
    repeating(() => log, traits);
    reading(() => log);
    subscribing(() => log, traits);

    it("has everything after it was opened again: events, heads, idempotency", async () => {
      const [stream, loose] = [newStream(), newStream()];
      const [events, others] = [newEvents(3), newEvents(2)];
      await log.append(stream, "no_stream", events);
      const last = await appended(log.append(loose, "any", others));
      const again = await opened.reopen();
      expect(await again.head()).toBe(last.position);
      expect(idsOf(await again.readStream(stream, firstRevision, 10))).toEqual(idsOf(events));
      expect(await again.append(stream, "no_stream", events)).toMatchObject({ kind: "appended", revision: 2 });
      if (traits.place === "local") expect(await again.append(loose, "any", others)).toEqual(last);
      const next = await appended(again.append(stream, asRevision(2), newEvents(1)));
      expect(next.revision).toBe(3);
      expect(next.position).toBeGreaterThan(last.position);
    });
  });
};

const nothing = (): void => undefined;

const appending = (current: () => EventLog, { place }: LogTraits): void => {
  it("starts empty", async () => {
    if (place === "local") {
      expect(await current().head()).toBe(0);
      expect(await current().readAll(undefined, 10)).toEqual([]);
    }
    expect(await current().readStream(newStream(), firstRevision, 10)).toEqual([]);
  });

  it("answers with the last event's revision and position, without a gap in the stream, and stores every byte", async () => {
    const [log, stream] = [current(), newStream()];
    const first = [newEvent({ text: 'ü 😀 "\\ \u0000' }), newEvent({ text: "" })];
    const one = await appended(log.append(stream, "no_stream", first));
    const two = await appended(log.append(stream, asRevision(1), newEvents(1)));
    expect([one.revision, two.revision]).toEqual([1, 2]);
    expect(two.position).toBeGreaterThan(one.position);
    expect(await log.head()).toBe(two.position);
    const read = await log.readStream(stream, firstRevision, 10);
    expect(revisionsOf(read)).toEqual([0, 1, 2]);
    expect(read[0]).toEqual({ ...first[0], stream, revision: 0, position: read[0]?.position });
  });

  it("gives every text back in the characters in which it was stored, whatever JSON would say again", async () => {
    const [log, stream] = [current(), newStream()];
    const begun = await log.head();
    const texts = fc.sample(fc.tuple(oddJson, oddJson), { numRuns: 100, seed });
    const events = texts.map(([data, meta]) => ({ ...newEvent(), data, meta }));
    await appended(log.append(stream, "no_stream", events));
    const textsIn = (read: readonly RecordedEvent[]) => read.map(({ data, meta }) => [data, meta]);
    expect(textsIn(await log.readStream(stream, firstRevision, 200))).toEqual(texts);
    const mine = (read: readonly RecordedEvent[]) => read.filter((event) => event.stream === stream);
    expect(textsIn(mine(await log.readAll(begun, 2_000)))).toEqual(texts);
    const followed: RecordedEvent[] = [];
    await new Promise<void>((resolve, reject) => {
      const { stop } = log.subscribe(begun, {
        onEvents: (read) => {
          followed.push(...mine(read));
          if (followed.length < texts.length) return;
          stop();
          resolve();
        },
        onFailure: reject,
      });
    });
    expect(textsIn(followed)).toEqual(texts);
  });

  it("refuses what does not stand where the writer believes, says where it stands, and writes nothing", async () => {
    const [log, stream] = [current(), newStream()];
    const before = await log.head();
    expect(await log.append(stream, firstRevision, newEvents(1))).toEqual({ kind: "conflict", actual: -1 });
    await appended(log.append(stream, "no_stream", newEvents(2)));
    for (const expected of ["no_stream", firstRevision, asRevision(2), asRevision(7)] as const)
      expect(await log.append(stream, expected, newEvents(2))).toEqual({ kind: "conflict", actual: 1 });
    expect(await log.readAll(before, 10)).toHaveLength(2);
  });

  it("calls back, where it can, after the call, in the order of the appends, and says what it says to those who await it", async () => {
    const [log, stream] = [current(), newStream()];
    const { appendThen } = log;
    if (appendThen === undefined) return;
    const order: unknown[] = [];
    const asked = [
      ["no_stream", newEvents(2)],
      [asRevision(1), newEvents(1)],
      [firstRevision, newEvents(1)],
    ] as const;
    const answers = asked.map(
      ([expected, events]) =>
        new Promise((resolve, reject) => {
          appendThen(
            stream,
            expected,
            events,
            (result) => {
              order.push(result);
              resolve(result);
            },
            reject,
          );
        }),
    );
    expect(order).toEqual([]);
    expect(await Promise.all(answers)).toMatchObject([
      { kind: "appended", revision: 1 },
      { kind: "appended", revision: 2 },
      { kind: "conflict", actual: 2 },
    ]);
    expect(order).toEqual(await Promise.all(answers));
    const wrong = [[], [newEvent("x".repeat(64 * 1024))], Array<NewEvent>(2).fill(newEvent())];
    const failures: unknown[] = [];
    await Promise.all(
      wrong.map(
        (events) =>
          new Promise<void>((resolve) => {
            appendThen(stream, "any", events, nothing, (error) => {
              failures.push(error.constructor.name);
              resolve();
            });
            expect(failures).toEqual([]);
          }),
      ),
    );
    expect(failures).toEqual(["RangeError", "LogError", "RangeError"]);
    expect(await log.readStream(stream, firstRevision, 10)).toHaveLength(3);
  });

  it("takes any revision for `any`, also of an absent stream", async () => {
    const [log, stream] = [current(), newStream()];
    expect((await appended(log.append(stream, "any", newEvents(2)))).revision).toBe(1);
    expect((await appended(log.append(stream, "any", newEvents(1)))).revision).toBe(2);
    expect((await appended(log.append(stream, asRevision(2), newEvents(1)))).revision).toBe(3);
  });

  it("lets exactly one of 50 concurrent writers of a revision win, and all of 50 that say `any`", async () => {
    const [log, contended, open] = [current(), newStream(), newStream()];
    const [racers, others] = await Promise.all([
      Promise.all(Array.from({ length: 50 }, () => log.append(contended, "no_stream", newEvents(2)))),
      Promise.all(Array.from({ length: 50 }, () => log.append(open, "any", newEvents(2)))),
    ]);
    expect(racers.filter(({ kind }) => kind === "appended")).toHaveLength(1);
    expect(racers.filter(({ kind }) => kind === "conflict")).toHaveLength(49);
    expect(others.map((answer) => (answer.kind === "appended" ? answer.revision : -1)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, i) => 2 * i + 1),
    );
    const read = await log.readStream(open, firstRevision, 1000);
    expect(revisionsOf(read)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    // Atomic: the two events of an append stand side by side.
    for (let i = 0; i < 100; i += 2) expect([read[i]?.data, read[i + 1]?.data]).toEqual(['{"i":0}', '{"i":1}']);
  });

  it("leaves the neighbours of a conflict alone", async () => {
    const [log, one, two] = [current(), newStream(), newStream()];
    const before = await log.head();
    const answers = await Promise.all([
      log.append(one, "no_stream", newEvents(1)),
      log.append(one, "no_stream", newEvents(1)),
      log.append(two, "no_stream", newEvents(1)),
      log.append(one, firstRevision, newEvents(1)),
    ]);
    expect(answers.map(({ kind }) => kind)).toEqual(["appended", "conflict", "appended", "appended"]);
    expect(await log.readAll(before, 10)).toHaveLength(3);
  });

  it("refuses an event above 64 KiB and an append above 512 KiB, and takes what is just below", async () => {
    const [log, stream] = [current(), newStream()];
    const large = (bytes: number): NewEvent => newEvent("x".repeat(bytes));
    await expect(log.append(stream, "no_stream", [large(64 * 1024)])).rejects.toMatchObject({ code: "TOO_LARGE" });
    const many = Array.from({ length: 9 }, () => large(60 * 1024));
    await expect(log.append(stream, "no_stream", many)).rejects.toMatchObject({ code: "TOO_LARGE" });
    await appended(log.append(stream, "no_stream", many.slice(1)));
    expect((await log.readStream(stream, asRevision(7), 1))[0]?.data).toBe(many[8]?.data);
  });
};

const repeating = (current: () => EventLog, { place }: LogTraits): void => {
  it("answers a repeated append with its first acceptance, however much came later", async () => {
    const [log, stream] = [current(), newStream()];
    const [first, second] = [newEvents(2), newEvents(3)];
    const start = await log.head();
    const one = await appended(log.append(stream, "no_stream", first));
    const two = await appended(log.append(stream, asRevision(1), second));
    await appended(log.append(stream, asRevision(4), newEvents(1)));
    const before = await log.readAll(start, 100);
    expect(await log.append(stream, "no_stream", first)).toEqual(one);
    expect(await log.append(stream, asRevision(1), second)).toEqual(two);
    expect(await log.readAll(start, 100)).toEqual(before);
  });

  it("writes repetitions that are under way together once, and answers each alike; a remote one may leave some open", async () => {
    const [log, stream, events] = [current(), newStream(), newEvents(2)];
    const append = () => log.append(stream, "no_stream", events);
    const answers = await Promise.allSettled(Array.from({ length: 5 }, append));
    const first = await appended(untilKnown(append));
    for (const answer of answers) {
      if (place === "remote" && answer.status === "rejected")
        expect(answer.reason).toMatchObject({ code: "OUTCOME_UNKNOWN" });
      else expect(answer).toEqual({ status: "fulfilled", value: first });
    }
    expect(idsOf(await log.readStream(stream, firstRevision, 10))).toEqual(idsOf(events));
  });

  it("takes a partial overlap, another order or another place for a conflict", async () => {
    const [log, stream] = [current(), newStream()];
    const [a, b, c] = [newEvent(), newEvent(), newEvent()];
    await appended(log.append(stream, "no_stream", [a, b]));
    for (const events of [[a, c], [b, a], [a, b, c], [c]])
      expect(await log.append(stream, "no_stream", events)).toEqual({ kind: "conflict", actual: 1 });
    expect(await log.append(stream, firstRevision, [a])).toEqual({ kind: "conflict", actual: 1 });
    expect(await log.append(stream, firstRevision, [b])).toMatchObject({ kind: "appended", revision: 1 });
    expect(await log.readStream(stream, firstRevision, 10)).toHaveLength(2);
  });

  it.runIf(place === "local")("knows what was appended with `any`", async () => {
    const [log, stream] = [current(), newStream()];
    const [a, b, c] = [newEvent(), newEvent(), newEvent()];
    const first = await appended(log.append(stream, "any", [a, b]));
    await appended(log.append(stream, "any", newEvents(2)));
    expect(await log.append(stream, "any", [a, b])).toEqual(first);
    for (const events of [
      [a, c],
      [c, a],
      [b, a],
    ])
      expect(await log.append(stream, "any", events)).toEqual({ kind: "conflict", actual: 3 });
    // Another stream's ids are its own.
    expect(await log.append(newStream(), "any", [a, b])).toMatchObject({ kind: "appended", revision: 1 });
    expect(await log.readStream(stream, firstRevision, 10)).toHaveLength(4);
  });
};

const reading = (current: () => EventLog): void => {
  it("reads a stream both ways, within bounds", async () => {
    const [log, stream] = [current(), newStream()];
    for (let i = 0; i < 5; i++) {
      await log.append(stream, asRevision(i - 1), newEvents(1));
      await log.append(newStream(), "no_stream", newEvents(1));
    }
    const read = async (from: number, count: number, direction?: "forwards" | "backwards") =>
      revisionsOf(await log.readStream(stream, asRevision(from), count, direction));
    expect(await read(0, 3)).toEqual([0, 1, 2]);
    expect(await read(3, 10)).toEqual([3, 4]);
    expect(await read(5, 10)).toEqual([]);
    expect(await read(-1, 2, "backwards")).toEqual([4, 3]);
    expect(await read(3, 10, "backwards")).toEqual([3, 2, 1, 0]);
    expect(await read(9, 2, "backwards")).toEqual([4, 3]);
    expect(await read(0, 0)).toEqual([]);
  });

  it("reads everything both ways, exclusive of the position named", async () => {
    const log = current();
    const start = await log.head();
    for (let i = 0; i < 6; i++) await log.append(newStream(), "no_stream", newEvents(1));
    const all = await log.readAll(start, 100);
    const positions = positionsOf(all);
    expect(positions).toHaveLength(6);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(await log.readAll(start, 2)).toEqual(all.slice(0, 2));
    expect(await log.readAll(undefined, 2)).toEqual(await log.readAll(noPosition, 2));
    expect(await log.readAll(positions[1], 2)).toEqual(all.slice(2, 4));
    expect(await log.readAll(positions[5], 2)).toEqual([]);
    expect(await log.readAll(undefined, 2, "backwards")).toEqual([all[5], all[4]]);
    const older = await log.readAll(positions[1], 9, "backwards");
    expect(older[0]).toEqual(all[0]);
    if (start === 0) expect(older).toHaveLength(1);
    else expect(older[1]?.position).toBeLessThanOrEqual(start);
    expect(await log.readAll(noPosition, 9, "backwards")).toEqual([]);
  });
};

const subscribing = (current: () => EventLog, { place }: LogTraits): void => {
  const fromNow = async (log: EventLog): Promise<Position | "head"> => (place === "local" ? "head" : await log.head());
  const fill = async (log: EventLog, count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, () => log.append(newStream(), "no_stream", newEvents(2))));
  };

  it.each(["start", "middle", "head"] as const)(
    "hands over everything from the %s on while writers go on: no gap, no duplicate, in order",
    async (where) => {
      const log = current();
      const start = await log.head();
      await fill(log, 600);
      const head = await log.head();
      const middle = positionsOf(await log.readAll(start, 600)).at(-1) ?? 0;
      const now = await fromNow(log);
      const writers = Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 40; i++) await log.append(newStream(), "no_stream", newEvents(2));
      });
      const live = collect(log, where === "start" ? start : where === "middle" ? asPosition(middle) : now);
      await Promise.all(writers);
      const all = await log.readAll(where === "start" ? start : where === "middle" ? asPosition(middle) : head, 10_000);
      await live.until(all.length);
      expect(positionsOf(live.events)).toEqual(positionsOf(all));
      expect(live.events).toEqual(all);
      live.stop();
    },
  );

  it("waits for a slow subscriber and loses nothing meanwhile", async () => {
    const log = current();
    const start = await log.head();
    const fast = collect(log, start);
    // Its first batch takes until the other has had everything.
    const slow = collect(log, start, () => fast.until(2000));
    for (let i = 0; i < 10; i++) await fill(log, 100);
    await Promise.all([slow.until(2000), fast.until(2000)]);
    expect(slow.events).toEqual(await log.readAll(start, 5000));
    expect(fast.events).toEqual(slow.events);
    expect(slow.overlapping()).toBe(0);
    for (const { stop } of [slow, fast]) stop();
  });

  it("hands over nothing after it was stopped, and nothing that is not durable", async () => {
    const log = current();
    const [start, now] = [await log.head(), await fromNow(log)];
    const stopped = collect(log, now);
    const going = collect(log, now);
    await fill(log, 1);
    await stopped.until(2);
    stopped.stop();
    await fill(log, 1);
    await going.until(4);
    expect(stopped.events).toHaveLength(2);
    expect(positionsOf(await log.readAll(start, 10))).toEqual(positionsOf(going.events));
  });

  it("ends with the error of a subscriber that throws or rejects, once, and leaves the others alone", async () => {
    const log = current();
    const now = await fromNow(log);
    const ended = [
      () => {
        throw new Error("bad");
      },
      () => Promise.reject(new Error("bad")),
    ].map((onEvents) => new Promise<Error>((onFailure) => log.subscribe(now, { onEvents, onFailure })));
    const healthy = collect(log, now);
    await fill(log, 2);
    expect((await Promise.all(ended)).map(({ message }) => message)).toEqual(["bad", "bad"]);
    await fill(log, 1);
    await healthy.until(6);
  });
};
