import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEventStoreDb } from "../../src/infra/event-log/eventstoredb/event-log.js";
import { createLatency } from "../load/latency.js";
import { meanOf, named } from "../load/measure.js";
import { createAppendLoop } from "../log/append-loop.js";
import { openRawReader } from "../log/raw-read.js";
import { seedLog } from "../log/seed.js";
import { row, scaled, type BenchContext, type Figures, type Row, type Scenario } from "../scenario.js";
import { startChild } from "../server/child.js";
import { busyFigures, sampleCpu } from "../server/cpu.js";
import { startEventStoreServer, type EventStoreServer } from "../server/eventstore-server.js";
import { noPosition } from "../../src/domain/kernel/stream.js";
import { makeDirectory, removeDirectory } from "../server/left-behind.js";

const conversations = 100;
const messagesEach = 200;
const inFlight = 64;
/** As many events as the adapter asks for when it is behind. */
const adapterPageEvents = 2_000;
const warmUpMs = 2_000;

/** The embedded log through its EventStoreDB port: what other processes and official clients get of it. */
export const eventStoreServer: Scenario = {
  name: "eventstore-server",
  summary: `the log's EventStoreDB port: reads of $all, prebuilt answers and jspb's; appends, ${inFlight} in flight`,
  ofThisBuildOnly: true,
  run: async (context) => {
    const directory = makeDirectory(context.dataRoot, "eventstore");
    try {
      return [...(await measureReads(context, join(directory, "read"))), await measureAppends(context, directory)];
    } finally {
      removeDirectory(directory);
    }
  },
};

const readFloorIs = "the same events read from the SQLite log in process, in the same pages; no gRPC, one process less";

const measureReads = async (context: BenchContext, directory: string): Promise<readonly Row[]> => {
  const { events } = await seedLog(directory, { conversations: scaled(context, conversations), messagesEach });
  const half = String(context.seconds / 2);
  const before = await printedBy(context, "the log's reader", ["../log/read-process.js", directory, half]);
  const raw = (server: EventStoreServer) => readRaw(context, server, events);
  const [prebuilt, adapter] = await withServer(context, "prebuilt", directory, async (server) => [
    await raw(server),
    await readByAdapter(context, server, events),
  ]);
  const jspb = await withServer(context, "jspb", directory, raw);
  const after = await printedBy(context, "the log's reader", ["../log/read-process.js", directory, half]);
  const floors = { inProcess: { is: readFloorIs, figures: meanOf(before, after) } };
  return [
    row({ variant: "read $all, prebuilt answers, nothing decoded", figures: prebuilt, floors }),
    row({ variant: "read $all, jspb's answers, nothing decoded", figures: jspb, floors }),
    row({ variant: "read $all by the adapter, prebuilt answers", figures: adapter, floors }),
  ];
};

const withServer = async <A>(
  context: BenchContext,
  encoding: "prebuilt" | "jspb",
  directory: string,
  use: (server: EventStoreServer) => Promise<A>,
): Promise<A> => {
  const server = await startEventStoreServer(context, encoding, directory);
  return use(server).finally(server.stop);
};

const readRaw = async (context: BenchContext, server: EventStoreServer, expected: number): Promise<Figures> => {
  const reader = openRawReader(server.url);
  let bytesPerEvent = 0;
  try {
    const figures = await measureWholeReads(context, server, expected, async () => {
      const { events, bytes } = await reader.readAll();
      bytesPerEvent = bytes / events;
      return events;
    });
    return { ...figures, bytesPerEvent };
  } finally {
    reader.close();
  }
};

const readByAdapter = async (context: BenchContext, server: EventStoreServer, expected: number): Promise<Figures> => {
  const log = openEventStoreDb({ url: server.url });
  const readWhole = async (): Promise<number> => {
    let events = 0;
    for (let from = noPosition; ;) {
      const page = await log.readAll(from, adapterPageEvents);
      events += page.length;
      from = page.at(-1)?.position ?? from;
      if (page.length < adapterPageEvents) return events;
    }
  };
  return measureWholeReads(context, server, expected, readWhole).finally(log.close);
};

/** Whole reads, again and again; the last one ends after the time. Rejects when one is short of an event. */
const measureWholeReads = async (
  { seconds }: BenchContext,
  server: EventStoreServer,
  expected: number,
  readWhole: () => Promise<number>,
): Promise<Figures> => {
  const readFor = async (ms: number): Promise<number> => {
    const end = performance.now() + ms;
    let events = 0;
    do {
      const read = await readWhole();
      if (read !== expected) throw new Error(`a read of $all brought ${read} events of ${expected}`);
      events += read;
    } while (performance.now() < end);
    return events;
  };
  await readFor(warmUpMs);
  const before = sampleCpu([server]);
  const events = await readFor(seconds * 1000);
  const after = sampleCpu([server]);
  const eventsPerSecond = (events / (after.atMs - before.atMs)) * 1000;
  return { eventsPerSecond, eventsMeasured: events, ...busyFigures(before, after, events) };
};

const measureAppends = async (context: BenchContext, directory: string): Promise<Row> => {
  const floorIs = `the same ${inFlight} writers on the SQLite log in process`;
  const before = await appendFloor(context, join(directory, "floor-before"));
  const figures = await withServer(context, "prebuilt", join(directory, "append"), (server) =>
    appendByAdapter(context, server),
  );
  const floor = meanOf(before, await appendFloor(context, join(directory, "floor-after")));
  return row({
    variant: `append by the adapter, ${inFlight} in flight`,
    figures,
    floors: { inProcess: { is: floorIs, figures: floor } },
  });
};

const appendByAdapter = async ({ seconds }: BenchContext, server: EventStoreServer): Promise<Figures> => {
  const log = openEventStoreDb({ url: server.url });
  try {
    const loop = createAppendLoop(log, "eventstore-server", inFlight);
    await loop.run(warmUpMs, createLatency());
    const latency = createLatency();
    const before = sampleCpu([server]);
    const appends = await loop.run(seconds * 1000, latency);
    const after = sampleCpu([server]);
    return {
      appendsPerSecond: (appends / (after.atMs - before.atMs)) * 1000,
      ...named("append", latency.percentiles()),
      appendsMeasured: appends,
      ...busyFigures(before, after, appends),
    };
  } finally {
    await log.close();
  }
};

/** The log's own scenario for that many streams; what it is compared with there is of no interest here. */
const appendFloor = async (context: BenchContext, directory: string): Promise<Figures> => {
  mkdirSync(directory);
  const command = ["../log/append-process.js", directory, String(context.seconds / 2), String(inFlight)] as const;
  const [measured] = await printedBy<readonly { readonly figures: Figures }[]>(context, "the log's writer", command);
  if (measured === undefined) throw new Error("the log's writer measured nothing");
  const { cpuSecondsPer1000 = 0, ...figures } = measured.figures;
  return { ...figures, serverCpuSecondsPer1000: cpuSecondsPer1000 };
};

/** The line of JSON that a script of the benchmark prints, run on the server's core to its end. */
const printedBy = async <A = Figures>(
  context: BenchContext,
  name: string,
  [script, ...rest]: readonly [string, ...string[]],
): Promise<A> => {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = startChild({ name, command: [path, ...rest], core: context.cores.server });
  try {
    const printed = (await child.nextJson(60_000 + context.seconds * 2_000)) as A;
    await child.exited;
    return printed;
  } finally {
    await child.stop().catch(() => undefined); // it has ended, or its error is on its way already
  }
};
