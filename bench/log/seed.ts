import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openEpoch } from "../../src/commands/epoch.js";
import { encodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import { defaultSettings } from "../../src/domain/conversation/conversation.events.js";
import { byUser } from "../../src/domain/kernel/by.js";
import { directConversationId, messageIdOf } from "../../src/domain/kernel/ids.js";
import { noRevision, revisionAfter, streamOf, type Revision } from "../../src/domain/kernel/stream.js";
import { openSqliteLog, type SqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";

/** A history as a server would have left it, written into the log directly: through sockets it would take minutes. */
export type Seed = {
  readonly conversations: number;
  readonly messagesEach: number;
  /** The cell that it is of ("main"). */
  readonly home?: string;
  /** Told after each conversation's batch. */
  readonly onProgress?: (events: number) => void;
};

export type Seeded = { readonly epoch: string; readonly events: number; readonly conversationIds: readonly string[] };

/** The two of conversation `index`; both write in turn. */
export const seedUsers = (index: number): readonly [string, string] => [`alice-${index}`, `bob-${index}`];

const batchEvents = 100;
const text = "the quick brown fox jumps over the lazy dog ".repeat(5).slice(0, 200);
/** As long ago as there are messages, one a second. */
const startAt = Date.UTC(2025, 0, 1);

/** Makes the directory's log. Rejects when an append is refused. */
export const seedLog = async (directory: string, seed: Seed): Promise<Seeded> => {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const log = await openSqliteLog(join(directory, "log.db"));
  try {
    const epoch = await openEpoch(log, seed.home ?? "main", Date.now, { uuid: randomUUID });
    const conversationIds: string[] = [];
    let events: number = await log.head();
    for (let index = 0; index < seed.conversations; index++) {
      const [alice, bob] = seedUsers(index);
      const id = directConversationId(alice, bob);
      events += await write(log, id, history(id, [alice, bob], seed.messagesEach));
      conversationIds.push(id);
      seed.onProgress?.(events);
    }
    return { epoch, events, conversationIds };
  } finally {
    await log.close();
  }
};

function* history(id: string, users: readonly [string, string], messages: number): Generator<DomainEvent> {
  const [alice] = users;
  const profile = { kind: "direct" as const, createdBy: alice, createdAt: startAt, settings: defaultSettings };
  const context = (userId: string, at: number) => ({ id: randomUUID(), at, by: byUser({ userId, deviceId: "phone" }) });
  yield { type: "ConversationStarted", ...context(alice, startAt), conversationId: id, home: "main", profile };
  const members = users.map((userId) => ({ userId, role: "member" as const }));
  const joined = { members, visibleFrom: 1, sequence: 0, memberCount: members.length, profile };
  yield { type: "MemberJoined", ...context(alice, startAt), ...joined };
  for (let sequence = 1; sequence <= messages; sequence++) {
    const by = byUser({ userId: users[sequence % 2] ?? alice, deviceId: "phone" });
    const clientMessageId = `seed-${sequence}`;
    const messageId: string = messageIdOf(id, by, clientMessageId);
    const content = { alg: "none" as const, keyId: "", data: JSON.stringify({ type: "text", text }) };
    const sent = { messageId, sequence, clientMessageId, contentType: "text" as const, content };
    yield { type: "MessageSent", id: messageId, at: startAt + sequence * 1000, by, ...sent };
  }
}

/** Batches with exact revisions, several in flight: the log commits them together. The number of events. */
const write = async (log: SqliteLog, id: string, events: Iterable<DomainEvent>): Promise<number> => {
  const causation = { commandId: randomUUID(), correlationId: randomUUID() };
  const stream = streamOf.conversation(id);
  let revision = noRevision;
  let batch: DomainEvent[] = [];
  let inFlight: Promise<void>[] = [];
  const flush = async (events: readonly DomainEvent[], expected: Revision): Promise<void> => {
    const encoded = events.map((event) => encodeEvent(event, causation));
    const result = await log.append(stream, expected < 0 ? "no_stream" : expected, encoded);
    if (result.kind === "conflict") throw new Error(`seeding ${stream} at ${expected} met ${result.actual}`);
  };
  const send = async (): Promise<void> => {
    inFlight.push(flush(batch, revision));
    revision = revisionAfter(revision, batch.length);
    batch = [];
    if (inFlight.length < 16) return;
    await Promise.all(inFlight);
    inFlight = [];
  };
  for (const event of events) if (batch.push(event) === batchEvents) await send();
  if (batch.length > 0) await send();
  await Promise.all(inFlight);
  return revision + 1;
};
