import { join } from "node:path";
import { openSqliteLogReader } from "../../src/infra/event-log/sqlite/file-reader.js";
import { openSqliteViewsFile } from "../../src/infra/view-store/sqlite/views-file.js";
import { startRunner } from "../../src/projections/runner.js";
import type { Figures } from "../scenario.js";
import { seedLog } from "./seed.js";
import { noPosition } from "../../src/domain/kernel/stream.js";

/**
 * The views from nothing, a process of its own so that it runs on the server's core: `replay-process.js DIRECTORY
 * CONVERSATIONS MESSAGES`. The floor reads and parses the same events and writes nothing. One line of JSON.
 */
const [directory, conversations, messages] = process.argv.slice(2);
if (directory === undefined) throw new Error("replay-process.js DIRECTORY CONVERSATIONS MESSAGES");

const { epoch, events } = await seedLog(directory, {
  conversations: Number(conversations),
  messagesEach: Number(messages),
});
const log = openSqliteLogReader(join(directory, "log.db"));

const readAll = async (): Promise<Figures> => {
  const from = performance.now();
  let position = noPosition;
  for (;;) {
    const page = await log.readAll(position, 2000);
    for (const { data, meta } of page) {
      JSON.parse(data);
      JSON.parse(meta);
    }
    const last = page.at(-1);
    if (last === undefined) break;
    position = last.position;
  }
  return { eventsPerSecond: (events / (performance.now() - from)) * 1000 };
};

const replay = (): Promise<Figures> => {
  const views = openSqliteViewsFile(join(directory, "views.db"));
  const from = performance.now();
  const before = process.cpuUsage();
  return new Promise<Figures>((resolve, reject) => {
    const runner = startRunner({
      source: log,
      apply: views.apply,
      from: { position: noPosition, epoch },
      batchIntervalMs: 0,
      onCheckpoint: ({ position }) => {
        if (position < events) return;
        const { user, system } = process.cpuUsage(before);
        const eventsPerSecond = (events / (performance.now() - from)) * 1000;
        resolve({ eventsPerSecond, cpuSecondsPer1000: (user + system) / 1000 / events, eventsReplayed: events });
      },
      onProblem: (problem) => {
        if (problem !== undefined) throw problem;
      },
      onFailure: ({ error }) => {
        reject(error);
      },
    });
    runner.wake();
  }).finally(views.close);
};

await readAll(); // warms the file's pages and the compiler
const floor = await readAll();
const figures = await replay();
log.close();
process.stdout.write(`${JSON.stringify({ figures, floor })}\n`);
