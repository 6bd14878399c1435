import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { createCommands, type CommandDependencies } from "../../src/commands/execute.js";
import { lookUpIn } from "../../src/commands/look-up.js";
import type { EventLog, MessageIndex } from "../../src/commands/ports.js";
import { encodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import { defaultSettings } from "../../src/domain/conversation/conversation.events.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { limits } from "../../src/domain/kernel/limits.js";
import { asRevision, noRevision, streamOf, type Revision } from "../../src/domain/kernel/stream.js";
import { sealingWith } from "../../src/commands/sealing/sealing.js";
import { openSqliteLog, type SqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";
import { replaceMasterKeyFile } from "../../src/infra/key-store/master-key-file.js";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../src/infra/key-store/sqlite/key-store.js";
import { sealedText } from "./texts.js";
import { textCipher } from "./text-cipher.js";
import { testMasterKeys } from "./master-key.js";

/** A real log and key store in a directory of their own. */
export type LogKit = {
  readonly log: SqliteLog;
  readonly keys: SqliteKeyStore;
  readonly dir: string;
  readonly dispose: () => Promise<void>;
};

export const openLogKit = async (): Promise<LogKit> => {
  const dir = mkdtempSync(join(tmpdir(), "parley-log-"));
  const log = await openSqliteLog(join(dir, "log.db"));
  await replaceMasterKeyFile(join(dir, "master.key"), testMasterKeys);
  const keys = await openSqliteKeyStore(join(dir, "keys.db"), testMasterKeys);
  return {
    log,
    keys,
    dir,
    dispose: async () => {
      await log.close();
      await keys.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** A view that has not read anything yet: whatever is older than a window is looked up in the stream. */
export const emptyIndex: MessageIndex = { find: () => Promise.resolve({ coversTo: noRevision, message: null }) };

/** The write side as one process has it; several on one log are several processes as far as the log can tell. */
export const commandsOn = (kit: LogKit, log: EventLog = kit.log, options: Partial<CommandDependencies> = {}) =>
  createCommands({
    log,
    sealing: sealingWith(kit.keys, ["test"], textCipher),
    ids: { uuid: randomUUID },
    home: "main",
    membersMax: limits.groupMembersMax,
    lookUp: lookUpIn(emptyIndex, log),
    ...options,
  });

/** A log that counts what is read from it. */
export const countingReads = (log: EventLog) => {
  const reads = { calls: 0, events: 0 };
  const counting: EventLog = {
    ...log,
    readStream: async (...asked) => {
      const page = await log.readStream(...asked);
      reads.calls += 1;
      reads.events += page.length;
      return page;
    },
  };
  return { log: counting, reads };
};

/** As `createCommands` writes it, only faster: a group of alice and bob with `count` messages of alice's, `m-1` first. */
export const writeLongConversation = async (log: EventLog, conversationId: string, count: number): Promise<void> => {
  const by = { kind: "user" as const, userId: "alice", deviceId: "phone" };
  const causation = { commandId: "c", correlationId: "c" };
  const profile = {
    kind: "group" as const,
    name: sealedText("Long"),
    settings: defaultSettings,
    createdBy: "alice",
    createdAt: 1,
  };
  const eventsFrom = (from: number, to: number): DomainEvent[] =>
    Array.from({ length: to - from }, (_, index) => {
      const clientMessageId = `m-${from + index}`;
      const messageId: string = messageIdOf(conversationId, by, clientMessageId);
      const content = { alg: "none" as const, keyId: "", data: '{"type":"text","text":"Hello"}' };
      const sent = { messageId, sequence: from + index, clientMessageId, contentType: "text" as const, content };
      return { type: "MessageSent", id: messageId, at: from + index, by, ...sent };
    });
  const members = ["alice", "bob"].map(
    (userId) => ({ userId, role: userId === "alice" ? "owner" : "member" }) as const,
  );
  const start: DomainEvent[] = [
    { type: "ConversationStarted", id: randomUUID(), at: 1, by, conversationId, home: "main", profile },
    {
      type: "MemberJoined",
      id: randomUUID(),
      at: 1,
      by,
      members,
      visibleFrom: 1,
      sequence: 0,
      memberCount: 2,
      profile,
    },
  ];
  const stream = streamOf.conversation(conversationId);
  const append = async (expected: Revision | "no_stream", events: readonly DomainEvent[]) => {
    const result = await log.append(
      stream,
      expected,
      events.map((event) => encodeEvent(event, causation)),
    );
    if (result.kind !== "appended") throw new Error(`${stream} is not new`);
  };
  await append("no_stream", start);
  const batch = 1_000;
  for (let from = 1; from <= count; from += batch)
    await append(asRevision(from), eventsFrom(from, Math.min(from + batch, count + 1)));
};
