import { statSync } from "node:fs";
import { join } from "node:path";
import { firstRevision, revisionAfter, streamOf } from "../../src/domain/kernel/stream.js";
import { openSqliteLogReader } from "../../src/infra/event-log/sqlite/file-reader.js";
import { openAsking, type Asking } from "../load/asking.js";
import { createLatency } from "../load/latency.js";
import { named } from "../load/measure.js";
import { seedUsers } from "../log/seed.js";
import { row, scaled, type BenchContext, type Figures, type Scenario } from "../scenario.js";
import { withSeededDirectory, withServerOn } from "./seeded.js";

const messagesWanted = 1_000_000;
const warmSends = 200;
/** A fold of everything at 20,000 events/s. */
const patienceMs = 120_000;

/**
 * The first message into a conversation that no process has in memory: before the server has a snapshot of it, and
 * after a restart, when it has one.
 */
export const coldLoad: Scenario = {
  name: "cold-load",
  summary: `first message into a conversation of ${messagesWanted} events: without a snapshot, and after a restart`,
  run: (context) => {
    const messagesEach = scaled(context, messagesWanted);
    return withSeededDirectory(context, { conversations: 1, messagesEach }, async (directory, seeded) => {
      const [id = ""] = seeded.conversationIds;
      const read = await readStream(directory, id);
      const first = await sendCold(context, directory, id, "first");
      const again = await sendCold(context, directory, id, "again");
      const warmIs = "the same message once the conversation is in memory (mean of the following ones)";
      return [
        row({
          variant: `${messagesEach} events, no snapshot`,
          figures: { ...first.cold, logMiB: statSync(join(directory, "log.db")).size / 2 ** 20 },
          floors: {
            read: { is: "the conversation's events read out of the log's file, not even parsed", figures: read },
          },
        }),
        row({
          variant: `${messagesEach} events, after a restart`,
          figures: again.cold,
          floors: { warm: { is: warmIs, figures: again.warm } },
        }),
      ];
    });
  },
};

const sendCold = (context: BenchContext, directory: string, conversationId: string, run: string) =>
  withServerOn(context, directory, async (server) => {
    const asking = await openAsking(server, seedUsers(0)[0]);
    const send = async (number: number): Promise<number> => {
      const payload = {
        conversationId,
        clientMessageId: `${run}-${number}`,
        content: { type: "text", text: "x".repeat(200) },
      };
      const from = performance.now();
      await asking.ask("message.send", payload, patienceMs);
      return performance.now() - from;
    };
    try {
      await viewsCaughtUp(asking);
      const coldMs = await send(0);
      const latency = createLatency();
      let total = 0;
      for (let number = 1; number <= warmSends; number++) {
        const elapsed = await send(number);
        latency.record(elapsed);
        total += elapsed;
      }
      const warm: Figures = { loadMs: total / warmSends, ...named("ack", latency.percentiles()) };
      return { cold: { loadMs: coldMs } satisfies Figures, warm };
    } finally {
      asking.close();
    }
  });

/** Else the fold would share its core with a million projections. A sync waits two seconds for the views, then refuses. */
const viewsCaughtUp = async (asking: Asking): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      await asking.ask("sync", { limit: 1 });
      return;
    } catch (error) {
      if (!String(error).includes("UNAVAILABLE") || performance.now() > deadline) throw error;
    }
  }
};

const readStream = async (directory: string, id: string): Promise<Figures> => {
  const log = openSqliteLogReader(join(directory, "log.db"));
  try {
    const from = performance.now();
    for (let revision = firstRevision, more = true; more;) {
      const page = await log.readStream(streamOf.conversation(id), revision, 500);
      revision = revisionAfter(revision, page.length);
      more = page.length > 0;
    }
    return { loadMs: performance.now() - from };
  } finally {
    log.close();
  }
};
