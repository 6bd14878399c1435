import { randomUUID } from "node:crypto";
import type { EventLog } from "../../src/commands/ports.js";
import { noRevision, type NewEvent, type Revision, type StreamName } from "../../src/domain/kernel/stream.js";
import type { Latency } from "../load/latency.js";

/** `data` and `meta` of an event together, in bytes: about a sealed message of 200 bytes with its metadata. */
const eventBytes = 600;
const meta = JSON.stringify({
  at: 1_763_800_000_000,
  by: { kind: "user", userId: "alice", deviceId: "phone" },
  commandId: "0",
  schema: 1,
});
const data = JSON.stringify({ content: "x".repeat(eventBytes - meta.length - '{"content":""}'.length) });

const newEvent = (): NewEvent => ({ id: randomUUID(), type: "MessageSent@1", data, meta });

export type AppendLoop = {
  /** Appends for `forMs`, then awaits what is in flight; the number of appends. Rejects when one is refused. */
  readonly run: (forMs: number, latency: Latency) => Promise<number>;
};

/** One writer per stream, each with one append in flight at the exact revision, as the gateway's writers do. */
export const createAppendLoop = (log: EventLog, name: string, streams: number): AppendLoop => {
  const revisions: Revision[] = Array.from({ length: streams }, () => noRevision);

  const appendOne = async (index: number, stream: StreamName): Promise<void> => {
    const revision = revisions[index] ?? noRevision;
    const result = await log.append(stream, revision < 0 ? "no_stream" : revision, [newEvent()]);
    if (result.kind === "conflict" || result.revision !== revision + 1) {
      throw new Error(`append to ${stream} at ${revision} answered ${JSON.stringify(result)}`);
    }
    revisions[index] = result.revision;
  };

  return {
    run: async (forMs, latency) => {
      const end = performance.now() + forMs;
      let appends = 0;
      const writer = async (index: number): Promise<void> => {
        const stream = `conversation-bench-${name}-${index}`;
        for (let start = performance.now(); start < end; appends++) {
          await appendOne(index, stream);
          const now = performance.now();
          latency.record(now - start);
          start = now;
        }
      };
      await Promise.all(revisions.map((_, index) => writer(index)));
      return appends;
    },
  };
};
