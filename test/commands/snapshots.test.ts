import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommandDependencies } from "../../src/commands/execute.js";
import type { EventLog, SnapshotStore } from "../../src/commands/ports.js";
import { conversationSnapshot } from "../../src/domain/conversation/conversation.snapshot.js";
import { E, type Either } from "../../src/domain/kernel/fp.js";
import { asRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { openSqliteSnapshots, type SqliteSnapshots } from "../../src/infra/snapshot-store/sqlite/snapshot-store.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, countingReads, openLogKit, writeLongConversation, type LogKit } from "../kit/log.js";

const right = <A>(either: Either<unknown, A>): A => {
  if (E.isLeft(either)) throw new Error(`refused: ${JSON.stringify(either.left)}`);
  return either.right;
};
const context = (userId = "alice") => contextOf(userId, Date.now(), randomUUID());
const id = (n: number) => `g_${String(n).padStart(22, "0")}`;
const message = (conversationId: string, clientMessageId: string = randomUUID()) => ({
  conversationId,
  clientMessageId,
  contentType: "text" as const,
  content: '{"type":"text","text":"Hello"}',
});

/** Bytes of folded conversations: too few for a full window and one of 400 messages. */
const roomForOne = 70_000;

describe("snapshots beside the commands", () => {
  let kit: LogKit;
  let store: SqliteSnapshots;
  beforeEach(async () => {
    kit = await openLogKit();
    store = openSqliteSnapshots(join(kit.dir, "snapshots.db"));
  });
  afterEach(async () => {
    await store.close();
    await kit.dispose();
  });

  /** One message through a fresh process: what was read for it, and its sequence. */
  const cold = async (conversationId: string, options: Partial<CommandDependencies> = {}) => {
    const { log, reads } = countingReads(kit.log);
    const commands = commandsOn(kit, log, { snapshots: store, ...options });
    const { sequence } = right(await commands.sendMessage(message(conversationId), context()));
    await commands.snapshotsSaved();
    return { events: reads.events, sequence };
  };

  it("are taken of what grew, and shorten the next cold load", async () => {
    await writeLongConversation(kit.log, id(1), 2_500);
    expect(await cold(id(1))).toEqual({ events: 2_502, sequence: 2_501 });
    expect(await cold(id(1))).toEqual({ events: 1, sequence: 2_502 });
    await writeLongConversation(kit.log, id(2), 1_500);
    await cold(id(2));
    expect(await store.load(streamOf.conversation(id(2)), conversationSnapshot.version)).toBeUndefined();
  });

  it("are taken of what leaves memory, though it has grown less", async () => {
    await writeLongConversation(kit.log, id(1), 1_500);
    await writeLongConversation(kit.log, id(2), 400);
    await writeLongConversation(kit.log, id(3), 10);
    // The first has room beside none of the others.
    const commands = commandsOn(kit, kit.log, { snapshots: store, loadedBytesMax: { conversations: roomForOne } });
    for (const n of [1, 2, 3, 1]) right(await commands.sendMessage(message(id(n)), context()));
    await commands.snapshotsSaved();
    // Two messages were sent since it began to be kept: the second came after the snapshot.
    expect(await cold(id(1))).toEqual({ events: 2, sequence: 1_503 });
    expect(await cold(id(2))).toEqual({ events: 403, sequence: 402 });
  });

  it("are taken of nothing that is being changed, which is not out of use when it leaves memory", async () => {
    await writeLongConversation(kit.log, id(1), 1_500);
    await writeLongConversation(kit.log, id(2), 1_500);
    const saved: string[] = [];
    const noting: SnapshotStore = { ...store, save: (stream) => Promise.resolve(void saved.push(stream)) };
    let goOn: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let isHeld = false;
    const log: EventLog = {
      ...kit.log,
      appendThen: (...asked) => {
        const append = () => {
          kit.log.appendThen?.(...asked);
        };
        if (isHeld && asked[0] === streamOf.conversation(id(1))) void held.then(append);
        else append();
      },
    };
    const options = { snapshots: noting, loadedBytesMax: { conversations: roomForOne } };
    const commands = commandsOn(kit, log, options);
    const send = async (n: number) => right(await commands.sendMessage(message(id(n)), context()));
    await send(1);
    isHeld = true;
    const under = send(1);
    await send(2);
    await commands.snapshotsSaved();
    expect(saved).toEqual([]);
    goOn?.();
    expect((await under).sequence).toBe(1_502);
    await commands.snapshotsSaved();
    expect(saved).toEqual([streamOf.conversation(id(2))]);
  });

  it("shorten the loads of receipts and users as well", async () => {
    // Room for one of each: they are saved when the others take it.
    const loadedBytesMax = { receipts: 2_000, users: 2_000 };
    const commands = commandsOn(kit, kit.log, { snapshots: store, loadedBytesMax });
    for (const n of [1, 2]) await writeLongConversation(kit.log, id(n), 600);
    const upTo = Array.from({ length: 600 }, (_, index) => index + 1);
    await Promise.all(
      upTo.flatMap((n): Promise<unknown>[] => [
        commands.advanceReceipts({ conversationId: id(1), readUpTo: n }, context("bob")),
        commands.changePreferences({ conversationId: id(1), pinned: n }, context("bob")),
      ]),
    );
    await commands.advanceReceipts({ conversationId: id(2), readUpTo: 1 }, context("bob"));
    await commands.changePreferences({ conversationId: id(2), pinned: 1 }, context("alice"));
    await commands.snapshotsSaved();
    const { log, reads } = countingReads(kit.log);
    const next = commandsOn(kit, log, { snapshots: store });
    await next.advanceReceipts({ conversationId: id(1), readUpTo: 600 }, context("bob"));
    expect(
      right(await next.changePreferences({ conversationId: id(1), archived: true }, context("bob"))),
    ).toMatchObject({
      pinned: 600,
      archived: true,
    });
    // 602 of the conversation, which has no snapshot, and the last one of each of theirs.
    expect(reads.events).toBe(602 + 2);
  });

  it("of another log are not believed", async () => {
    await writeLongConversation(kit.log, id(1), 2_500);
    await cold(id(1));
    const stream = streamOf.conversation(id(1));
    const found = await store.load(stream, conversationSnapshot.version);
    if (found === undefined) throw new Error("no snapshot was taken");
    const chunks = [...found.chunks].map(([name, data]) => ({ name, fixed: false, data: () => data }));
    await store.save(stream, { ...found, eventId: randomUUID(), chunks });
    expect(await cold(id(1))).toMatchObject({ sequence: 2_502 });
    await store.save(stream, { ...found, revision: asRevision(99_999), chunks });
    expect(await cold(id(1))).toMatchObject({ sequence: 2_503 });
  });

  it("that are missing, unreadable or not to be had fail no command", async () => {
    await writeLongConversation(kit.log, id(1), 2_500);
    const failures: string[] = [];
    const onSnapshotFailure = (error: Error) => failures.push(error.message);
    const broken: SnapshotStore = {
      load: () => Promise.reject(new Error("no answer")),
      save: () => Promise.reject(new Error("disk full")),
    };
    expect(await cold(id(1), { snapshots: broken, onSnapshotFailure })).toMatchObject({ sequence: 2_501 });
    expect(failures).toEqual(["no answer", "disk full"]);
    await cold(id(1));
    const stream = streamOf.conversation(id(1));
    const found = await store.load(stream, conversationSnapshot.version);
    if (found === undefined) throw new Error("no snapshot was taken");
    await store.save(stream, { ...found, chunks: [{ name: "head", fixed: false, data: () => Buffer.from("{") }] });
    expect(await cold(id(1), { onSnapshotFailure })).toMatchObject({ sequence: 2_503 });
    expect(failures).toHaveLength(3);
    // One that an older version of Parley has left there, or a newer one.
    const chunks = [{ name: "head", fixed: false, data: () => Buffer.from("{}") }];
    await store.save(stream, { ...found, version: found.version - 1, chunks });
    expect(await cold(id(1), { onSnapshotFailure })).toMatchObject({ sequence: 2_504 });
    expect(failures).toHaveLength(3);
    await store.close();
    rmSync(join(kit.dir, "snapshots.db"));
    store = openSqliteSnapshots(join(kit.dir, "snapshots.db"));
    expect(await cold(id(1), { onSnapshotFailure })).toMatchObject({ sequence: 2_505 });
    expect(failures).toHaveLength(3);
  });

  it("states in memory are bounded in bytes: the one unused for longest is loaded again", async () => {
    for (const n of [1, 2, 3]) await writeLongConversation(kit.log, id(n), 10);
    const { log, reads } = countingReads(kit.log);
    // Each weighs some 4 KiB: there is room for two.
    const commands = commandsOn(kit, log, { loadedBytesMax: { conversations: 9_000 } });
    const loads = async (n: number) => {
      const before = reads.events;
      right(await commands.sendMessage(message(id(n)), context()));
      return reads.events > before;
    };
    expect([await loads(1), await loads(2), await loads(1), await loads(3)]).toEqual([true, true, false, true]);
    expect([await loads(1), await loads(2)]).toEqual([false, true]);
  });

  it("two processes that move cursors at once both know all of them", async () => {
    const [one, two] = [commandsOn(kit), commandsOn(kit)];
    await writeLongConversation(kit.log, id(1), 10);
    for (let upTo = 1; upTo <= 5; upTo++) {
      await one.advanceReceipts({ conversationId: id(1), readUpTo: upTo }, context("alice"));
      await two.advanceReceipts({ conversationId: id(1), readUpTo: upTo }, context("bob"));
    }
    const head = await kit.log.head();
    await one.advanceReceipts({ conversationId: id(1), readUpTo: 4 }, context("bob"));
    expect(await kit.log.head()).toBe(head);
  });
});
