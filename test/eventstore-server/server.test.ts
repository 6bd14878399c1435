/** The official JavaScript client, unchanged, against the embedded log. One client: two share their appends by a bug of it. */
import { randomUUID } from "node:crypto";
import {
  BACKWARDS,
  END,
  EventStoreDBClient,
  eventTypeFilter,
  excludeSystemEvents,
  jsonEvent,
  START,
  streamNameFilter,
  type AllStreamSubscription,
  type Filter,
  type Position,
  type StreamSubscription,
} from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newEvents } from "../contract/event-log.contract.js";
import { collect, openEventStoreServer } from "./server-kit.js";
import { firstRevision } from "../../src/domain/kernel/stream.js";

let server: Awaited<ReturnType<typeof openEventStoreServer>>;
let client: EventStoreDBClient;

beforeAll(async () => {
  server = await openEventStoreServer();
  client = EventStoreDBClient.connectionString(server.url);
});
afterAll(async () => {
  await client.dispose();
  await server.close();
  expect(server.problems).toEqual([]);
});

const newStream = (prefix = "test"): string => `${prefix}-${randomUUID()}`;
const event = (number = 0) =>
  jsonEvent({ type: `Type${number}`, data: { number, text: "héllo €" }, metadata: { at: 1_700_000_000_000 + number } });
const someEvents = (count: number) => Array.from({ length: count }, (_, index) => event(index));
const positionOf = (place: { readonly position?: Position | undefined } | undefined): Position => {
  if (place?.position === undefined) throw new Error("it has no position");
  return place.position;
};
/** What subscriptions hand over, until there are so many; the call is ended after that (a break alone leaves it open). */
const take = async <T>(
  subscription: (AllStreamSubscription | StreamSubscription) & AsyncIterable<T>,
  count: number,
) => {
  try {
    return await collect(subscription, count);
  } finally {
    await subscription.unsubscribe();
  }
};
// Credentials of a call's own make the client use the unary Append instead of BatchAppend.
const unary = { credentials: { username: "a", password: "b" } };

describe.each([
  ["BatchAppend", {}],
  ["Append", unary],
])("%s", (_, how) => {
  it("takes every expectation and refuses those that do not hold, with what is there", async () => {
    const stream = newStream();
    await expect(
      client.appendToStream(stream, event(), { ...how, expectedRevision: "stream_exists" }),
    ).rejects.toMatchObject({ type: "wrong-expected-version", actualVersion: "no_stream" });
    const first = await client.appendToStream(stream, someEvents(2), { ...how, expectedRevision: "no_stream" });
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 1n });
    expect(first.position?.commit).toBe(BigInt(await server.log.head()));
    for (const expectedRevision of [1n, "any", "stream_exists"] as const)
      await client.appendToStream(stream, event(), { ...how, expectedRevision });
    for (const expectedRevision of [0n, 9n, "no_stream"] as const)
      await expect(client.appendToStream(stream, event(), { ...how, expectedRevision })).rejects.toMatchObject({
        type: "wrong-expected-version",
        expectedVersion: expectedRevision,
        actualVersion: 4n,
      });
    expect(await server.log.readStream(stream, firstRevision, 10)).toHaveLength(5);
  });

  it("answers a repeated append as it did the first time and writes nothing", async () => {
    const [stream, loose] = [newStream(), newStream()];
    const events = someEvents(3);
    const first = await client.appendToStream(stream, events, { ...how, expectedRevision: "no_stream" });
    const others = await client.appendToStream(loose, events, how);
    await client.appendToStream(stream, event(), how);
    expect(await client.appendToStream(stream, events, { ...how, expectedRevision: "no_stream" })).toEqual(first);
    expect(await client.appendToStream(loose, events, how)).toEqual(others);
    expect(await server.log.readStream(stream, firstRevision, 10)).toHaveLength(4);
    expect(await server.log.readStream(loose, firstRevision, 10)).toHaveLength(3);
  });

  it("checks the expectation of an append without events and writes nothing", async () => {
    const stream = newStream();
    await client.appendToStream(stream, event(), how);
    const checked = await client.appendToStream(stream, [], { ...how, expectedRevision: 0n });
    expect(checked.nextExpectedRevision).toBe(0n);
    await expect(client.appendToStream(stream, [], { ...how, expectedRevision: 5n })).rejects.toMatchObject({
      type: "wrong-expected-version",
    });
  });

  it("refuses what is too large, and streams of the system", async () => {
    const large = jsonEvent({ type: "Large", data: "x".repeat(65_536) });
    const tooLarge = { type: "maximum-append-size-exceeded", maxAppendSize: 524_288 };
    await expect(client.appendToStream(newStream(), large, how)).rejects.toMatchObject(tooLarge);
    const many = Array.from({ length: 20 }, () => jsonEvent({ type: "Many", data: "x".repeat(60_000) }));
    await expect(client.appendToStream(newStream(), many, how)).rejects.toMatchObject(tooLarge);
    await expect(client.appendToStream("$system", event(), how)).rejects.toMatchObject({ type: "access-denied" });
  });
});

it("takes an append whose pieces come in many messages, and others meanwhile", async () => {
  const streams = Array.from({ length: 100 }, () => newStream());
  const events = someEvents(100);
  const results = await Promise.all(
    streams.map((stream) =>
      client.appendToStream(
        stream,
        events.map((e) => ({ ...e, id: randomUUID() })),
        { batchAppendSize: 1_000 },
      ),
    ),
  );
  expect(results.every(({ nextExpectedRevision }) => nextExpectedRevision === 99n)).toBe(true);
});

it("refuses in one answer what is not JSON, and the next append goes on", async () => {
  const stream = newStream();
  const binary = { ...event(), contentType: "application/octet-stream" as const, data: new Uint8Array([1]) };
  await expect(client.appendToStream(stream, binary)).rejects.toThrow(/not application\/json/);
  await expect(client.appendToStream(stream, event())).resolves.toMatchObject({ success: true });
});

describe("reading", () => {
  it("gives a stream forwards and backwards, from any revision, with what was written", async () => {
    const stream = newStream();
    const events = someEvents(300);
    await client.appendToStream(stream, events);
    const all = await collect(client.readStream(stream));
    expect(all.map(({ event: e }) => e?.id)).toEqual(events.map(({ id }) => id));
    expect(all[7]?.event).toMatchObject({
      streamId: stream,
      revision: 7n,
      type: "Type7",
      data: { number: 7, text: "héllo €" },
      metadata: { at: 1_700_000_000_007 },
      isJson: true,
      created: new Date(1_700_000_000_007),
    });
    const revisions = async (options: Parameters<typeof client.readStream>[1]) =>
      (await collect(client.readStream(stream, options))).map(({ event: e }) => Number(e?.revision));
    expect(await revisions({ fromRevision: 298n })).toEqual([298, 299]);
    expect(await revisions({ fromRevision: 5n, maxCount: 2 })).toEqual([5, 6]);
    expect(await revisions({ direction: BACKWARDS, fromRevision: END, maxCount: 2 })).toEqual([299, 298]);
    expect(await revisions({ direction: BACKWARDS, fromRevision: 1n })).toEqual([1, 0]);
    expect(await revisions({ fromRevision: 300n })).toEqual([]);
  });

  it("says that a stream is not there, its metadata neither", async () => {
    const stream = newStream();
    await expect(collect(client.readStream(stream))).rejects.toMatchObject({ type: "stream-not-found" });
    await client.appendToStream(stream, event());
    expect((await client.getStreamMetadata(stream)).metadata).toBeUndefined();
  });

  it("gives $all both ways: forwards from a position inclusive, backwards strictly before it", async () => {
    await client.appendToStream(newStream(), someEvents(5));
    const all = await collect(client.readAll());
    const positions = all.map(({ event: e }) => Number(e?.position.commit));
    expect(positions).toEqual(Array.from({ length: await server.log.head() }, (_, index) => index + 1));
    const third = positionOf(all[2]?.event);
    const ids = async (options: Parameters<typeof client.readAll>[0]) =>
      (await collect(client.readAll(options))).map(({ event: e }) => e?.id);
    expect(await ids({ fromPosition: third, maxCount: 2 })).toEqual([all[2]?.event?.id, all[3]?.event?.id]);
    expect(await ids({ fromPosition: third, direction: BACKWARDS })).toEqual([all[1]?.event?.id, all[0]?.event?.id]);
    expect(await ids({ fromPosition: END, direction: BACKWARDS, maxCount: 1 })).toEqual([all.at(-1)?.event?.id]);
    expect(await ids({ fromPosition: END })).toEqual([]);
  });
});

describe("subscriptions", () => {
  it("give a stream's past and what comes, after the revision", async () => {
    const stream = newStream();
    const [early, from] = [client.subscribeToStream(stream), client.subscribeToStream(stream, { fromRevision: 0n })];
    const taken = Promise.all([take(early, 4), take(from, 3)]);
    await client.appendToStream(stream, someEvents(2));
    await client.appendToStream(newStream(), event());
    await client.appendToStream(stream, someEvents(2));
    const [all, after] = await taken;
    expect(all.map(({ event: e }) => Number(e?.revision))).toEqual([0, 1, 2, 3]);
    expect(after.map(({ event: e }) => Number(e?.revision))).toEqual([1, 2, 3]);
  });

  it("give $all after the position, say when they have caught up, and go on live", async () => {
    const before = await client.appendToStream(newStream(), event());
    await client.appendToStream(newStream(), event());
    const subscription = client.subscribeToAll({ fromPosition: positionOf(before) });
    const caughtUp = new Promise<void>((resolve) => subscription.once("caughtUp", resolve));
    const taken = take(subscription, 2);
    await caughtUp;
    const live = event(77);
    await client.appendToStream(newStream(), live);
    expect((await taken)[1]?.event?.id).toBe(live.id);
  });

  it("from the end give only what comes, and have caught up at once", async () => {
    const subscription = client.subscribeToAll({ fromPosition: END });
    const caughtUp = new Promise<void>((resolve) => subscription.once("caughtUp", resolve));
    const taken = take(subscription, 1);
    await caughtUp;
    const live = event();
    await client.appendToStream(newStream(), live);
    expect((await taken)[0]?.event?.id).toBe(live.id);
  });

  it("filter by stream name and by event type, by prefixes and by expressions", async () => {
    const category = `c${randomUUID()}`;
    const [one, two] = [newStream(category), newStream(`${category}x`)];
    await client.appendToStream(one, someEvents(3));
    await client.appendToStream(two, someEvents(2));
    const types = async (filter: Filter, count: number) =>
      (await take(client.subscribeToAll({ fromPosition: START, filter }), count)).map(({ event: e }) => e?.type);
    expect(await types(streamNameFilter({ prefixes: [`${category}-`] }), 3)).toEqual(["Type0", "Type1", "Type2"]);
    expect(await types(streamNameFilter({ regex: `^${category}x-.*$` }), 2)).toEqual(["Type0", "Type1"]);
    expect(new Set(await types(eventTypeFilter({ prefixes: ["Type2"] }), 2))).toEqual(new Set(["Type2"]));
    expect(new Set(await types(eventTypeFilter({ regex: "^Type2$" }), 2))).toEqual(new Set(["Type2"]));
    expect(await take(client.subscribeToAll({ filter: excludeSystemEvents() }), 3)).toHaveLength(3);
  });

  it("give a checkpoint for each so many events considered, and one when they have caught up", async () => {
    const category = `c${randomUUID()}`;
    const checkpoints: number[] = [];
    const from = await client.appendToStream(newStream(), event());
    const start = Number(from.position?.commit);
    for (let batch = 0; batch < 5; batch++) await server.log.append(newStream("noise"), "any", newEvents(7));
    const filter = streamNameFilter({
      prefixes: [`${category}-`],
      maxSearchWindow: 5,
      checkpointInterval: 2,
      checkpointReached: (_, position) => {
        checkpoints.push(Number(position.commit));
      },
    });
    const subscription = client.subscribeToAll({ fromPosition: positionOf(from), filter });
    const caughtUp = new Promise<void>((resolve) => subscription.once("caughtUp", resolve));
    const taken = take(subscription, 1);
    await caughtUp;
    expect(checkpoints).toEqual([10, 20, 30, 35].map((considered) => start + considered));
    await client.appendToStream(newStream(category), event());
    await taken;
  });

  it("refuse a position beyond the end and an expression that takes for ever, and everything else goes on", async () => {
    const beyond = client.subscribeToAll({ fromPosition: { commit: 1_000_000n, prepare: 1_000_000n } });
    await expect(collect(beyond)).rejects.toThrow(/beyond the end/);
    const wild = client.subscribeToAll({ filter: streamNameFilter({ regex: "^(([a-z0-9-])+.?)+$X" }) });
    await expect(collect(wild)).rejects.toThrow(/expression is too slow/);
    await expect(client.appendToStream(newStream(), event())).resolves.toMatchObject({ success: true });
  });

  it("wait for a slow consumer: 10,000 events, all of them, in order, and others are served meanwhile", async () => {
    const category = `slow${randomUUID()}`;
    const stream = newStream(category);
    for (let batch = 0; batch < 20; batch++) await server.log.append(stream, "any", newEvents(500));
    const subscription = client.subscribeToAll({ filter: streamNameFilter({ prefixes: [`${category}-`] }) });
    const revisions: number[] = [];
    for await (const { event: e } of subscription) {
      revisions.push(Number(e?.revision));
      // Others are served while this one is not even reading.
      if (revisions.length % 1_000 === 1) await client.appendToStream(newStream(), event());
      if (revisions.length === 10_000) break;
    }
    await subscription.unsubscribe();
    expect(revisions).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
  });
});

it("says clearly what it has not", async () => {
  const stream = newStream();
  await client.appendToStream(stream, event());
  await expect(client.deleteStream(stream)).rejects.toThrow(/no deletes/);
  await expect(client.tombstoneStream(stream)).rejects.toThrow(/no tombstones/);
});

it("is found by gossip", async () => {
  const discovering = EventStoreDBClient.connectionString(`esdb+discover://127.0.0.1:${server.port}?tls=false`);
  expect(await collect(discovering.readAll({ maxCount: 1 }))).toHaveLength(1);
  await discovering.dispose();
});
