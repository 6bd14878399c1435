import { join } from "node:path";
import { pageEvents } from "../../src/eventstore-server/sink.js";
import { openSqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";
import type { Figures } from "../scenario.js";
import { noPosition } from "../../src/domain/kernel/stream.js";

/**
 * The floor of reads through the log's gRPC port, a process of its own so that it runs on the server's core: the same
 * log read whole, again and again, in the same pages. `read-process.js DIRECTORY SECONDS`; prints one line of JSON.
 */
const [directory, seconds] = process.argv.slice(2);
if (directory === undefined) throw new Error("read-process.js DIRECTORY SECONDS");

const log = await openSqliteLog(join(directory, "log.db"));

const readWhole = async (): Promise<number> => {
  let events = 0;
  for (let from = noPosition; ;) {
    const page = await log.readAll(from, pageEvents);
    events += page.length;
    from = page.at(-1)?.position ?? from;
    if (page.length < pageEvents) return events;
  }
};

await readWhole(); // warms the file's pages and the compiler
const from = performance.now();
const end = from + Number(seconds) * 1000;
const before = process.cpuUsage();
let events = 0;
do events += await readWhole();
while (performance.now() < end);
const elapsed = (performance.now() - from) / 1000;
const { user, system } = process.cpuUsage(before);
await log.close();

const figures: Figures = {
  eventsPerSecond: events / elapsed,
  serverCpuSecondsPer1000: (user + system) / 1000 / events,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
