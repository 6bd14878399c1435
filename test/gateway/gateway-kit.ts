import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { WebSocket } from "ws";
import { createJwtAuthenticator, signToken } from "../../src/infra/auth/jwt.js";
import { createLogger, createTelemetry, type Telemetry } from "../../src/infra/telemetry.js";
import { createHub, type Hub } from "../../src/gateway/connections/hub.js";
import { startGateway, type Dispatching, type Gateway, type GatewayConfig } from "../../src/gateway/gateway.js";
import type { UpgradeAuthenticator } from "../../src/gateway/transport/upgrade.js";
import type { Connection, HttpRequest, HttpResponse, Readiness } from "../../src/gateway/ports.js";

/** A gateway with real sockets, real tokens and real metrics over a dispatcher that says back what it is told. */
export type TestGateway = {
  readonly gateway: Gateway;
  readonly hub: Hub;
  readonly telemetry: Telemetry;
  readonly log: string[];
  readonly secret: Buffer;
  /** What the dispatcher was told, in order: "opened alice/phone", "text …", "closed alice/phone". */
  readonly told: string[];
  readonly token: (userId: string, deviceId?: string, ttlSeconds?: number) => string;
  readonly client: (userId: string, deviceId?: string, query?: string) => Promise<Client>;
  readonly stop: () => Promise<void>;
};

export type TestOptions = {
  readonly config?: Partial<GatewayConfig>;
  readonly dispatcher?: Partial<Dispatching>;
  readonly rest?: (request: HttpRequest) => Promise<HttpResponse>;
  readonly readiness?: () => Promise<Readiness>;
  readonly authenticate?: UpgradeAuthenticator;
};

export const startTestGateway = async (options: TestOptions = {}): Promise<TestGateway> => {
  const secret = randomBytes(32);
  const hub = createHub();
  const telemetry = createTelemetry("1.2.3-test");
  const log: string[] = [];
  const told: string[] = [];
  const gateway = await startGateway({
    config: {
      host: "127.0.0.1",
      port: 0,
      heartbeatIntervalMs: 30_000,
      allowedOrigins: [],
      maxFrameBytes: 64 * 1024,
      ...options.config,
    },
    version: telemetry.version,
    app: { readiness: options.readiness ?? (() => Promise.resolve({ ready: true, problems: {} })) },
    authenticate: options.authenticate ?? createJwtAuthenticator({ secret }).check,
    dispatcher: { ...echoDispatcher(told), ...options.dispatcher },
    rest: options.rest ?? describeRequest,
    hub,
    metrics: telemetry.metrics,
    metricsText: telemetry.metricsText,
    logger: createLogger("debug", { write: (line: string) => void log.push(line) }),
  });
  const token = (userId: string, deviceId = "phone", ttlSeconds = 60) =>
    signToken({ userId, deviceId }, { secret, ttlSeconds });
  return {
    gateway,
    hub,
    telemetry,
    log,
    secret,
    told,
    token,
    client: (userId, deviceId, query = "") => openClient(`${wsUrl(gateway)}?token=${token(userId, deviceId)}${query}`),
    stop: gateway.close,
  };
};

export const wsUrl = (gateway: Gateway) => `${gateway.url.replace("http", "ws")}/ws`;

const nameOf = ({ actor }: Connection) => `${actor.userId}/${actor.deviceId}`;

/** Answers every text frame with itself; `opened` is announced with a frame, as `connected` would be. */
export const echoDispatcher = (told: string[]): Dispatching => ({
  opened: (connection, claims, { syncToken, enter }) => {
    void enter?.();
    told.push(
      `opened ${nameOf(connection)} ${connection.deviceType} ${claims.expiresAt > Date.now()} ${syncToken ?? ""}`.trim(),
    );
    connection.greet(JSON.stringify({ type: "connected" }));
    return Promise.resolve();
  },
  text: (connection, text) => {
    told.push(`text ${text.slice(0, 100)}`);
    connection.send(text);
  },
  binary: (connection) => {
    connection.close(4400, "binary");
  },
  closed: (connection) => void told.push(`closed ${nameOf(connection)}`),
  tick: () => undefined,
  drain: () => Promise.resolve(),
});

/** A REST handler that answers when it is let go, and counts what it was asked. */
export const heldBack = (status: number) => {
  let letGo: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (letGo = resolve));
  let asked = 0;
  const rest = async (): Promise<HttpResponse> => {
    asked += 1;
    await released;
    return { status, body: "{}" };
  };
  return { rest, asked: () => asked, letGo };
};

/** Says what arrived: the length of the body, or "too_large". */
export const describeRequest = async (request: HttpRequest): Promise<HttpResponse> => {
  const body = await request.body();
  return {
    status: body === "too_large" ? 413 : 200,
    body: JSON.stringify({
      method: request.method,
      path: request.path,
      query: [...request.query],
      authorization: request.authorization ?? null,
      bytes: body === "too_large" ? body : body.length,
      text: body === "too_large" ? "" : body.toString().slice(0, 100),
    }),
  };
};

export type Client = {
  readonly socket: WebSocket;
  readonly received: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly next: (index: number) => Promise<string>;
};

/** Rejects with the status and the body of a refusal. */
export const openClient = async (url: string, protocols: string[] = [], options: object = {}): Promise<Client> => {
  const socket = new WebSocket(url, protocols, options);
  const received: string[] = [];
  const waiting = new Map<number, (text: string) => void>();
  socket.on("message", (data: Buffer) => {
    waiting.get(received.length)?.(data.toString());
    received.push(data.toString());
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => {
      resolve({ code, reason: reason.toString() });
    });
  });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => {
        reject(new Refused(response.statusCode ?? 0, body, response.headers));
      });
    });
  });
  const next = (index: number) =>
    new Promise<string>((resolve) => {
      const there = received[index];
      if (there !== undefined) resolve(there);
      else waiting.set(index, resolve);
    });
  return { socket, received, closed, next };
};

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly body: string,
    readonly headers: Readonly<Record<string, string | string[] | undefined>>,
  ) {
    super(`${status} ${body}`);
  }
}

export const refusalOf = async (opening: Promise<Client>): Promise<Refused> => {
  try {
    (await opening).socket.terminate();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error("The connection was accepted.");
};

/** A bare TCP connection: writes bytes, collects what comes until the server closes or `until` says it is enough. */
export const rawExchange = async (port: number, bytes: string, until: (text: string) => boolean): Promise<string> => {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  const done = new Promise<void>((resolve) => {
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (until(text)) resolve();
    });
    socket.on("close", () => {
      resolve();
    });
    socket.on("error", () => {
      resolve();
    });
  });
  socket.write(bytes, "latin1");
  await done;
  socket.destroy();
  return text;
};

/** Writes the bytes, then one more now and then until the server closes; what came meanwhile. */
export const trickled = async (port: number, bytes: string): Promise<string> => {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString()));
  socket.on("error", () => undefined);
  const closed = once(socket, "close");
  socket.write(bytes);
  const trickling = setInterval(() => socket.write("x"), 20);
  await closed;
  clearInterval(trickling);
  return text;
};

export const upgradeHeaders =
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";

/** A WebSocket by hand, for what `ws` would never send. Resolves after the 101. */
export const rawWebSocket = async (port: number, token: string): Promise<Socket> => {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`GET /ws?token=${token} HTTP/1.1\r\nHost: x\r\n${upgradeHeaders}\r\n\r\n`);
  await once(socket, "data");
  return socket;
};

/** A masked client frame of less than 64 KiB. */
export const maskedFrame = (opcode: number, payload: string): Buffer => {
  const data = Buffer.from(payload);
  const mask = randomBytes(4);
  const header =
    data.length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | data.length])
      : Buffer.from([0x80 | opcode, 0x80 | 126, data.length >> 8, data.length & 0xff]);
  return Buffer.concat([header, mask, data.map((byte, index) => byte ^ (mask[index % 4] ?? 0))]);
};
