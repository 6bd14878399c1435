import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import { createCommands } from "../../../src/commands/execute.js";
import { lookUpIn } from "../../../src/commands/look-up.js";
import type { KeyStore } from "../../../src/commands/ports.js";
import { sealingWith } from "../../../src/commands/sealing/sealing.js";
import { decodeConversationEvent, decodeReceiptsEvent } from "../../../src/domain/catalogue.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { streamOf, type Position } from "../../../src/domain/kernel/stream.js";
import { reject } from "../../../src/domain/rejections.js";
import { createDispatcher } from "../../../src/gateway/session/dispatch.js";
import type { MessageRate, UserRate } from "../../../src/gateway/access/message-rate.js";
import type { Application, Claims, Connection, GatewayMetrics, TokenRefusal } from "../../../src/gateway/ports.js";
import { createRest } from "../../../src/gateway/rest/rest.js";
import { createCatchUp } from "../../../src/gateway/access/catch-up.js";
import { createDeviceAccess } from "../../../src/gateway/access/device-access.js";
import { messageIndex } from "../../../src/infra/view-store/message-index.js";
import { createQueries } from "../../../src/projections/queries/create.js";
import { openStoresHere } from "../../kit/stores-here.js";
import { textCipher } from "../../kit/text-cipher.js";

/** Contents are written as they are. */
const noKeys: KeyStore = {
  cached: () => undefined,
  obtain: () => Promise.reject(new Error("nothing is sealed here")),
  find: () => Promise.resolve(undefined),
};

/** The write side and the read side as a process has them, on a real log and real views in this thread. */
const openApp = (whenDone: (close: () => void) => void) => {
  const stores = openStoresHere("epoch-1");
  whenDone(stores.close);
  const { log, views } = stores;
  const sealing = sealingWith(noKeys, undefined, textCipher);
  const lookUp = lookUpIn(messageIndex(views.store.reads), log);
  const commands = createCommands({ log, sealing, lookUp, home: "main", ids: { uuid: randomUUID }, membersMax: 1_000 });
  const queries = createQueries({ source: log, views, open: sealing.open, epoch: "epoch-1", clock: () => 1_000_000 });
  return { stores, commands, queries, open: sealing.open };
};

type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;
/** The same functions, each called when `before` has resolved. */
const after = <A extends object>(functions: A, before: (name: string, args: readonly unknown[]) => unknown): A =>
  Object.fromEntries(
    Object.entries(functions as Functions).map(([name, called]) => [
      name,
      async (...args: never[]) => {
        await before(name, args);
        return called(...args);
      },
    ]),
  ) as A;

const behind = { ...reject("UNAVAILABLE", "The views are behind."), retryAfter: 1 };

/** The gateway asks these by itself, for no client's command. */
const askedByItself = ["mayStay", "membersAmong"];

/**
 * The application as the gateway has it: the real commands and queries, which note what they are asked, wait where a test
 * holds them, and fail where a test breaks them down.
 */
export const createApp = (whenDone: (close: () => void) => void = onTestFinished) => {
  const calls: string[] = [];
  const asked: { readonly name: string; readonly command: unknown }[] = [];
  const typed: string[] = [];
  const waits: number[] = [];
  const broken = new Map<string, () => never>();
  let hold: Promise<void> = Promise.resolve();
  /** Views stand still at this position. */
  let stuckAt = Infinity;
  const { stores, ...opened } = openApp(whenDone);

  const beforeCommand = (name: string, [command]: readonly unknown[]): Promise<void> | undefined => {
    if (askedByItself.includes(name)) return undefined;
    calls.push(name);
    asked.push({ name, command });
    broken.get(name)?.();
    return hold;
  };
  const commands: Application["commands"] = {
    ...after<Application["commands"]>(opened.commands, beforeCommand),
    sendMessageThen: (command, context, settled, failed) => {
      const send = async () => {
        await beforeCommand("sendMessage", [command]);
        opened.commands.sendMessageThen(command, context, settled, failed);
      };
      send().catch(failed);
    },
  };
  const queries = after<Application["queries"]>(opened.queries, (name, [, ...args]) => {
    const page = args.findLast((arg) => typeof arg === "object");
    if (name === "syncAhead") return;
    if (name === "me") calls.push(name);
    else if (name === "receipts") calls.push(`receipts ${String(args[1])} ${JSON.stringify(page)}`);
    else if (page !== undefined) calls.push(`${name} ${JSON.stringify(page)}`);
  });

  const app: Application = {
    epoch: "epoch-1",
    head: async () => {
      broken.get("head")?.();
      return stores.log.head();
    },
    readiness: () => Promise.resolve({ ready: true, problems: {} }),
    typing: {
      start: (id, { userId }, others) => void typed.push(`${userId} in ${id} to ${others.join()}`),
      stop: (id, { userId }) => void typed.push(`${userId} no more in ${id}`),
      gone: ({ userId, deviceId }) => void typed.push(`${userId}/${deviceId} gone`),
      left: () => undefined,
    },
    open: opened.open,
    lastUses: () => new Map(),
    used: () => undefined,
    commands,
    queries: {
      ...queries,
      awaitCaughtUp: (wanted) => {
        waits.push(wanted);
        return wanted <= stuckAt ? queries.awaitCaughtUp(wanted) : Promise.resolve(E.left(behind));
      },
    },
  };
  return {
    app,
    calls,
    /** Commands with what they were asked. */
    asked,
    typed,
    waits,
    position: (): Position => stores.position(),
    /** Names of all streams of the log. */
    streams: (): readonly string[] => stores.streams(),
    changesOf: (id: string) => stores.eventsOf(streamOf.conversation(id)).map(decodeConversationEvent),
    receiptsOf: (id: string) => stores.eventsOf(streamOf.receipts(id)).map(decodeReceiptsEvent),
    devicesOf: async (userId: string) => {
      await opened.queries.awaitCaughtUp(stores.position());
      return stores.views.store.reads.devices(userId);
    },
    stuckAt: (at: number) => {
      stuckAt = at;
    },
    /** Commands wait until the function returned is called. */
    holdCommands: (): (() => void) => {
      let release: () => void = () => undefined;
      hold = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    breakDown: (name: string, error = new Error(`secret of ${name}`)) =>
      broken.set(name, () => {
        throw error;
      }),
  };
};

const badToken: TokenRefusal = { code: "UNAUTHORIZED", message: "The token is bad." };
const unjudged: TokenRefusal = { code: "UNAVAILABLE", message: "No keys to judge it by." };

/** The gateway's layer between sockets and the application, whole, on the whole application. */
export const createGatewayKit = (
  app = createApp(),
  limits: { readonly messageRate?: MessageRate; readonly changeRate?: UserRate } = {},
) => {
  const metrics: string[] = [];
  const logged: object[] = [];
  const log = (details: object): void => void logged.push(details);
  const quiet = (): void => undefined;
  const gatewayMetrics: GatewayMetrics = {
    connectionOpened: quiet,
    reconnected: quiet,
    connectionClosed: quiet,
    authenticationFailed: (where) => void metrics.push(`authentication ${where}`),
    heartbeatFailed: () => void metrics.push("heartbeat"),
    sendLatency: (seconds) => void metrics.push(`latency ${seconds >= 0 && seconds < 5 ? "sane" : "absurd"}`),
    request: (type, outcome) => void metrics.push(`${type} ${outcome}`),
    framesQueued: quiet,
    framesDropped: quiet,
    framesShed: quiet,
    typingShed: () => void metrics.push("typing shed"),
    outboxBytes: quiet,
  };
  let now = 1_000_000;
  let uptime = 1_000;
  const catchUp = createCatchUp(app.app);
  const deps = {
    ...limits,
    app: app.app,
    catchUp,
    deviceAccess: createDeviceAccess(app.app, catchUp.wrote),
    /** `user/device` is a good token, also with `/` and when it was issued. */
    authenticate: (token: string) => {
      if (token === "broken") return Promise.reject(new Error("secret of the authenticator"));
      const [userId, deviceId, issuedAt] = token.split("/");
      if (token === "unjudged") return Promise.resolve(E.left<TokenRefusal, Claims>(unjudged));
      if (!userId || !deviceId) return Promise.resolve(E.left<TokenRefusal, Claims>(badToken));
      const claims: Claims = { userId, deviceId, expiresAt: now + 3_600_000 };
      return Promise.resolve(
        E.right<TokenRefusal, Claims>(issuedAt === undefined ? claims : { ...claims, issuedAt: Number(issuedAt) }),
      );
    },
    metrics: gatewayMetrics,
    logger: { debug: quiet, info: quiet, warn: log, error: log },
    clock: () => now,
    monotonic: () => uptime,
    ids: { uuid: randomUUID },
    config: { heartbeatIntervalMs: 30_000, limits: { maxMessageBytes: 16_384, maxFrameBytes: 131_072 } },
  };
  return {
    ...app,
    metrics,
    logged,
    deviceAccess: deps.deviceAccess,
    dispatcher: createDispatcher(deps),
    rest: createRest(deps),
    now: () => now,
    pass: (ms: number) => {
      now += ms;
      uptime += ms;
    },
    /** The wall clock alone. */
    setClock: (byMs: number) => {
      now += byMs;
    },
  };
};

export type SentFrame = { type: string; id?: string; payload: Record<string, unknown> };

export const createConnection = (userId: string, deviceId = "phone") => {
  const frames: SentFrame[] = [];
  const closes: number[] = [];
  const say = (frame: string) => void frames.push(JSON.parse(frame) as SentFrame);
  const connection: Connection = {
    connectionId: randomUUID(),
    actor: { userId, deviceId },
    deviceType: "mobile",
    send: say,
    greet: say,
    close: (code, _reason, lastWords = []) => {
      for (const frame of lastWords) say(frame);
      closes.push(code);
    },
  };
  return { connection, frames, closes, types: () => frames.map(({ type }) => type) };
};
