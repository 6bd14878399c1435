import { join } from "node:path";
import { asRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { openSqliteLogReader } from "../../src/infra/event-log/sqlite/file-reader.js";
import { openAsking, type Asking } from "../load/asking.js";
import { createLatency } from "../load/latency.js";
import { named } from "../load/measure.js";
import { seedUsers } from "../log/seed.js";
import { row, type BenchContext, type Figures, type Scenario } from "../scenario.js";
import { withSeededServer } from "./seeded.js";

const messages = 1_000;
const floorIs = "the same 1,000 events read out of the log's file and parsed, in this process";

/** A device that missed a thousand messages asks for them: all pages, until the last one is in. */
export const sync: Scenario = {
  name: "sync",
  summary: `one device fetches ${messages} missed messages of one conversation, again and again`,
  run: (context) =>
    withSeededServer(context, { conversations: 1, messagesEach: messages }, async (server, seeded, directory) => {
      const [conversationId = ""] = seeded.conversationIds;
      const floor = await readAgainAndAgain(directory, conversationId, context.seconds / 2);
      const asking = await openAsking(server, seedUsers(0)[0]);
      try {
        const figures = await syncAgainAndAgain(asking, conversationId, context);
        return [row({ variant: `${messages} messages`, figures, floors: { read: { is: floorIs, figures: floor } } })];
      } finally {
        asking.close();
      }
    }),
};

type Entry = {
  readonly changes: readonly { readonly type: string }[];
  readonly pos: number;
  readonly hasMore: boolean;
};

/** The number of messages that came, and the pages that it took. */
const fetchAll = async (asking: Asking, conversationId: string): Promise<{ messages: number; pages: number }> => {
  let [pos, found, pages] = [-1, 0, 0];
  for (let more = true; more; pages++) {
    const answer = await asking.ask("sync", { cursors: { [conversationId]: pos }, only: true, limit: 1_000 });
    const [entry] = answer.conversations as readonly Entry[];
    if (entry === undefined) throw new Error(`sync answered without an entry: ${JSON.stringify(answer).slice(0, 400)}`);
    found += entry.changes.filter(({ type }) => type === "message.new").length;
    if (entry.hasMore && entry.pos <= pos) throw new Error(`sync does not get beyond ${pos}`);
    ({ pos, hasMore: more } = entry);
  }
  return { messages: found, pages };
};

const syncAgainAndAgain = async (asking: Asking, id: string, { seconds }: BenchContext): Promise<Figures> => {
  await fetchAll(asking, id);
  const latency = createLatency();
  let [syncs, pagesPerSync] = [0, 0];
  const from = performance.now();
  for (let now = from; now < from + seconds * 1000; syncs++) {
    const start = now;
    const fetched = await fetchAll(asking, id);
    if (fetched.messages !== messages) throw new Error(`a sync brought ${fetched.messages} of ${messages} messages`);
    pagesPerSync = fetched.pages;
    now = performance.now();
    latency.record(now - start);
  }
  return { ...rateOf(syncs, from), ...named("sync", latency.percentiles()), pagesPerSync, syncsMeasured: syncs };
};

const rateOf = (times: number, from: number): Figures => ({
  messagesPerSecond: ((times * messages) / (performance.now() - from)) * 1000,
});

const readAgainAndAgain = async (directory: string, id: string, seconds: number): Promise<Figures> => {
  const log = openSqliteLogReader(join(directory, "log.db"));
  try {
    const latency = createLatency();
    let reads = 0;
    const from = performance.now();
    for (let now = from; now < from + seconds * 1000; reads++) {
      const start = now;
      for (const { data, meta } of await log.readStream(streamOf.conversation(id), asRevision(2), messages)) {
        JSON.parse(data);
        JSON.parse(meta);
      }
      now = performance.now();
      latency.record(now - start);
    }
    return { ...rateOf(reads, from), ...named("sync", latency.percentiles()) };
  } finally {
    log.close();
  }
};
