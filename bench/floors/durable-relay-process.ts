import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { batchBytesMax, sharedOf } from "./commits.js";
import { ackOf, newOf, serveRooms, type Member, type Sent } from "./rooms.js";

/**
 * The least that keeps the promise "durable before ack": `durable-relay-process.js DIRECTORY`. What waits is written and
 * flushed at once in a thread; then each message is acknowledged, comes back to its sender and goes to the peer, in one
 * write for each socket and commit. No ids, no sealing, no state, no views.
 */
const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("durable-relay-process.js DIRECTORY");

type Waiting = { readonly sender: Member; readonly others: readonly Member[]; readonly sent: Sent };

const memory = new SharedArrayBuffer(8 + batchBytesMax);
const { control, batch } = sharedOf(memory);
const worker = new Worker(new URL("./commits.worker.js", import.meta.url), {
  workerData: { memory, path: join(directory, "relay.bin") },
});
/** The bytes of what waits, until the commit under way has left the shared memory. */
const gathered = new Uint8Array(batchBytesMax);
let gatheredBytes = 0;
let waiting: Waiting[] = [];
let committing: Waiting[] = [];

const commit = (): void => {
  if (committing.length > 0 || waiting.length === 0) return;
  batch.set(gathered.subarray(0, gatheredBytes));
  committing = waiting;
  Atomics.store(control, 0, gatheredBytes);
  Atomics.notify(control, 0);
  waiting = [];
  gatheredBytes = 0;
};

const answer = (messages: readonly Waiting[]): void => {
  const frames = new Map<Member, string[]>();
  const add = (member: Member, text: string): void => {
    const own = frames.get(member);
    if (own === undefined) frames.set(member, [text]);
    else own.push(text);
  };
  for (const { sender, others, sent } of messages) {
    const text = newOf(sent);
    add(sender, ackOf(sent));
    add(sender, text);
    for (const other of others) add(other, text);
  }
  for (const [member, texts] of frames) {
    member.cork(() => {
      for (const text of texts) member.send(text);
    });
  }
};

worker.on("message", (word: "open" | "done") => {
  if (word === "open") {
    serveRooms((sender, others, sent, raw) => {
      if (gatheredBytes + raw.byteLength > batchBytesMax) throw new Error("more waits for a commit than there is room");
      gathered.set(new Uint8Array(raw), gatheredBytes);
      gatheredBytes += raw.byteLength;
      // At the end of the turn: what comes in one turn is one commit.
      if (waiting.push({ sender, others, sent }) === 1) setImmediate(commit);
    });
    return;
  }
  const committed = committing;
  committing = [];
  commit();
  answer(committed);
});
