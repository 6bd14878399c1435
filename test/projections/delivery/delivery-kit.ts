import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { openEpoch } from "../../../src/commands/epoch.js";
import { createCommands } from "../../../src/commands/execute.js";
import { lookUpIn } from "../../../src/commands/look-up.js";
import { sealingWith } from "../../../src/commands/sealing/sealing.js";
import { decodeConversationEvent } from "../../../src/domain/catalogue.js";
import { right } from "../../kit/answers.js";
import { asPosition, firstRevision, streamOf } from "../../../src/domain/kernel/stream.js";
import type { CommandContext } from "../../../src/domain/kernel/decider.js";
import type { Actor } from "../../../src/domain/kernel/ids.js";
import { createHub, type HubConnection } from "../../../src/gateway/connections/hub.js";
import { createLocalBus } from "../../../src/infra/bus/local.js";
import { openSqliteLog } from "../../../src/infra/event-log/sqlite/event-log.js";
import { openSqliteKeyStore } from "../../../src/infra/key-store/sqlite/key-store.js";
import { messageIndex } from "../../../src/infra/view-store/message-index.js";
import { viewsWorkerUrl } from "../../../src/profiles/views-worker-url.js";
import { openSqliteViews } from "../../../src/infra/view-store/sqlite/view-store.js";
import { startDelivery, type DeliveryDependencies } from "../../../src/projections/delivery/delivery.js";
import type { Frame } from "../../../src/projections/frames/frames.js";
import { createQueries } from "../../../src/projections/queries/create.js";
import type { Answer, SyncRequest, SyncResult } from "../../../src/projections/queries/queries.js";
import { textCipher } from "../../kit/text-cipher.js";
import { testMasterKeys } from "../../kit/master-key.js";

/** The whole read side on a real log, real keys and real views; connections are lists of what they were sent. */
export type ReadSide = Awaited<ReturnType<typeof openReadSide>>;

export const openReadSide = async () => {
  const dir = mkdtempSync(join(tmpdir(), "parley-read-side-"));
  const log = await openSqliteLog(join(dir, "log.db"));
  const keys = await openSqliteKeyStore(join(dir, "keys.db"), testMasterKeys);
  const epoch = await openEpoch(log, "main", Date.now, { uuid: randomUUID });
  const views = await openSqliteViews(viewsWorkerUrl, {
    path: join(dir, "views.db"),
    logPath: join(dir, "log.db"),
    epoch,
  });
  log.subscribe("head", {
    onEvents: (events) => {
      views.wake(asPosition(events.at(-1)?.position ?? 0));
    },
    onFailure: () => undefined,
  });
  views.wake(await log.head());
  const sealing = sealingWith(keys, ["test"], textCipher);
  const lookUp = lookUpIn(messageIndex(views.store.reads), log);
  const ids = { uuid: randomUUID };
  const commands = createCommands({ log, sealing, ids, home: "main", lookUp, membersMax: 2_000 });
  const queries = createQueries({ source: log, views, open: sealing.open, epoch, clock: Date.now });
  const hub = createHub();
  const bus = createLocalBus({
    ...hub,
    disconnect: (userId, deviceId) => hub.connectionOf(userId, deviceId)?.close(4401, "device removed"),
  });
  return {
    log,
    keys,
    sealing,
    epoch,
    views,
    commands,
    queries,
    hub,
    bus,
    dispose: async () => {
      await views.close();
      await log.close();
      await keys.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** A read side for each test of a file. @returns has it stopped before the read side goes */
export const sideForEach = (use: (side: ReadSide) => void): ((...stops: (() => void)[]) => void) => {
  const stops: (() => void)[] = [];
  let side: ReadSide | undefined;
  beforeEach(async () => {
    side = await openReadSide();
    use(side);
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop();
    await side?.dispose();
  });
  return (...more) => void stops.push(...more);
};

/** One read side for all tests of a file. */
export const sideForAll = (use: (side: ReadSide) => void): void => {
  let side: ReadSide | undefined;
  beforeAll(async () => {
    side = await openReadSide();
    use(side);
  });
  afterAll(() => side?.dispose());
};

/** What delivery tells besides frames, where a test is not about it. */
export const nothingBeside = {
  inboxUpdates: { readMoved: () => undefined },
  rollups: { advanced: () => undefined },
  erasures: { erased: () => undefined },
  typing: { left: () => undefined },
} as const;

/**
 * A read side for each test of a file. What delivery cannot deliver fails the test.
 * @returns starts delivery on it, with other ways of opening what is sealed
 */
export const deliveryForEach = (use: (side: ReadSide) => void) => {
  let side: ReadSide;
  const stopping = sideForEach((opened) => {
    side = opened;
    use(opened);
  });
  const problems: Error[] = [];
  afterEach(() => {
    expect(problems.splice(0)).toEqual([]);
  });
  return (opens: Partial<Pick<DeliveryDependencies, "openNow" | "open">> = {}): void => {
    const { log, bus, sealing } = side;
    const { stop } = startDelivery({
      ...{ source: log, bus, openNow: sealing.openNow, open: sealing.open },
      ...nothingBeside,
      onUndeliverable: (_event, error) => void problems.push(error),
      onFailure: (error) => void problems.push(error),
      ...opens,
    });
    stopping(stop);
  };
};

/** As the gateway asks for it: of views that hold what the log holds. */
export const syncOf = async ({ log, queries }: ReadSide, actor: Actor, request: SyncRequest): Answer<SyncResult> => {
  const head = await log.head();
  right(await queries.awaitCaughtUp(head));
  return queries.sync(actor, request, head);
};

/**
 * Which changes of a conversation concern a user, from the log alone: all while a member, the joining and the leaving
 * included.
 */
export const concerning = async ({ log }: ReadSide, conversationId: string, userId: string) => {
  const events = await log.readStream(streamOf.conversation(conversationId), firstRevision, 1_000);
  let inside = false;
  return events.filter((recorded) => {
    const event = decodeConversationEvent(recorded);
    const joins = event.type === "MemberJoined" && event.members.some((member) => member.userId === userId);
    const concerned = inside || joins;
    if (joins) inside = true;
    if (event.type === "MemberLeft" && event.userId === userId) inside = false;
    return concerned;
  });
};

export type Received = HubConnection & {
  /** Parsed, in order. */
  readonly frames: Frame[];
  readonly texts: string[];
  readonly closed: number[];
};

/** A device that is connected, and keeps all that it is sent. */
export const connect = (hub: ReadSide["hub"], userId: string, deviceId = "phone"): Received => {
  const texts: string[] = [];
  const frames: Frame[] = [];
  const closed: number[] = [];
  const connection: Received = {
    connectionId: randomUUID(),
    actor: { userId, deviceId },
    deviceType: "web",
    send: (frame) => {
      const text = typeof frame === "string" ? frame : Buffer.from(frame).toString();
      texts.push(text);
      frames.push(JSON.parse(text) as Frame);
    },
    close: (code) => void closed.push(code),
    frames,
    texts,
    closed,
  };
  hub.register(connection);
  return connection;
};

export const by = (userId: string, deviceId = "phone"): CommandContext => {
  const commandId = randomUUID();
  return { commandId, correlationId: commandId, now: Date.now(), by: { kind: "user", userId, deviceId } };
};

export { right };

export const textContent = (text: string) => ({
  contentType: "text" as const,
  content: JSON.stringify({ type: "text", text }),
});

type Commands = Pick<ReadSide, "commands">;

export const startGroup = async ({ commands }: Commands, creator: string, others: readonly string[], all = false) => {
  const settings = all ? { settings: { historyVisibility: "all" as const } } : {};
  const started = await commands.startGroup({ name: "Friends", participantIds: others, ...settings }, by(creator));
  return right(started).conversationId;
};

export const startDirect = async ({ commands }: Commands, a: string, b: string) =>
  right(await commands.startDirect({ peerId: b }, by(a))).conversationId;

export const send = async (
  { commands }: Commands,
  conversationId: string,
  userId: string,
  text: string,
  more: { readonly mentions?: readonly string[]; readonly forwarded?: true } = {},
) => {
  const message = { conversationId, clientMessageId: randomUUID(), ...textContent(text), ...more };
  return right(await commands.sendMessage(message, by(userId)));
};
