/** A real HAProxy with the configuration as it is shipped, before two small gateways of the test's own. */
import { spawn, type ChildProcess } from "node:child_process";
import { createServer, type Server } from "node:http";
import { createConnection } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { stablePort } from "../../kit/ports.js";
import { tool } from "./tools.js";

const program = tool("haproxy");

/** Answers the health checks, says its name to every client, and sends back what it is told. */
type Backend = {
  readonly port: number;
  readonly state: { ready: boolean; serves: boolean; readonly forwardedFor: (string | undefined)[] };
  readonly server: Server;
  readonly close: () => Promise<void>;
};

const startBackend = async (name: string, port: number): Promise<Backend> => {
  const state: Backend["state"] = { ready: true, serves: true, forwardedFor: [] };
  const server = createServer((request, response) => {
    if (request.url === "/who") state.forwardedFor.push(request.headersDistinct["x-forwarded-for"]?.join("|"));
    response.statusCode = statusOf(request.url ?? "", state);
    response.end(name);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.on("message", (data) => {
      socket.send(data);
    });
    socket.send(name);
  });
  await listen(server, port);
  const close = async (): Promise<void> => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port, state, server, close };
};

/** As a gateway answers, and one that waits for its engines: /healthz alone is 200 then. */
const statusOf = (url: string, { ready, serves }: Backend["state"]): number => {
  if (url === "/healthz") return 200;
  if (!serves || (url === "/readyz" && !ready)) return 503;
  return url === "/ws" ? 426 : 200;
};

const listen = (server: Pick<Server, "listen" | "once">, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });

/** A connection through the balancer, and which gateway it came to. */
type Connection = { readonly gateway: string; readonly socket: WebSocket };

const connect = (port: number): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    socket.once("error", reject);
    socket.once("message", (data: Buffer) => {
      resolve({ gateway: data.toString(), socket });
    });
  });

const echo = ({ socket }: Connection, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    socket.once("message", (data: Buffer) => {
      resolve(data.toString());
    });
    socket.once("close", (code) => {
      reject(new Error(`closed with ${code}`));
    });
    socket.send(text);
  });

/** What comes until the connection is closed. */
const exchange = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.once("close", () => {
      resolve(text);
    });
    socket.once("error", reject);
    socket.write(bytes);
  });

const until = <A>(ask: () => A | Promise<A>, wanted: A): Promise<void> =>
  vi.waitFor(
    async () => {
      expect(await ask()).toBe(wanted);
    },
    { timeout: 60_000, interval: 50 },
  );

describe.skipIf(program === undefined)("HAProxy before two gateways", () => {
  let one: Backend;
  let two: Backend;
  let haproxy: ChildProcess;
  let port: number;
  let stats: string;
  let log = "";
  /** What it logs of requests. */
  let requests = "";
  const opened: Connection[] = [];

  const open = async (count: number): Promise<Connection[]> => {
    const connections: Connection[] = [];
    for (let i = 0; i < count; i++) connections.push(await connect(port));
    opened.push(...connections);
    return connections;
  };
  const closeAll = async (): Promise<void> => {
    for (const { socket } of opened.splice(0)) socket.terminate();
    await until(() => sessions("gateway-1"), 0);
    await until(() => sessions("gateway-2"), 0);
  };
  const column = async (backend: string, server: string, name: string): Promise<string | undefined> => {
    const [head = "", ...lines] = (await (await fetch(`${stats}/;csv`)).text()).replace(/^# /, "").split("\n");
    const row = lines.map((line) => line.split(",")).find(([px, sv]) => px === backend && sv === server);
    return row?.[head.split(",").indexOf(name)];
  };
  const status = (server: string) => column("gateways", server, "status");
  const sessions = async (server: string) => Number(await column("gateways", server, "scur"));
  const bothUp = async (): Promise<void> => {
    for (const server of ["gateway-1", "gateway-2"]) await until(() => status(server), "UP");
  };

  beforeAll(async () => {
    [one, two] = [await startBackend("one", await stablePort()), await startBackend("two", await stablePort())];
    port = await stablePort();
    const statsPort = await stablePort();
    stats = `http://127.0.0.1:${statsPort}`;
    // As the official image starts it.
    haproxy = spawn(program ?? "", ["-W", "-db", "-f", "deploy/haproxy.cfg"], {
      env: {
        PARLEY_LB_BIND: `127.0.0.1:${port}`,
        PARLEY_LB_STATS_BIND: `127.0.0.1:${statsPort}`,
        PARLEY_LB_GATEWAY_1: `127.0.0.1:${one.port}`,
        PARLEY_LB_GATEWAY_2: `127.0.0.1:${two.port}`,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    haproxy.stdout?.setEncoding("utf8").on("data", (text: string) => (requests += text));
    haproxy.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
    await until(async () => (await fetch(`${stats}/health`).catch(() => undefined))?.status, 200);
    await bothUp();
  });
  afterAll(async () => {
    for (const { socket } of opened) socket.terminate();
    if (haproxy.exitCode === null) {
      const gone = new Promise((resolve) => haproxy.once("exit", resolve));
      haproxy.kill("SIGTERM");
      await gone;
    }
    await Promise.all([one.close(), two.close()]);
  });

  it("gives each the same number of connections", async () => {
    const gateways = (await open(10)).map(({ gateway }) => gateway);
    expect(gateways.filter((gateway) => gateway === "one")).toHaveLength(5);
    await closeAll();
  });

  it("gives a draining gateway no new connection, lets those live that it has, and fills it first when it is back", async () => {
    const [first, second] = await open(2);
    const onOne = [first, second].find((connection) => connection?.gateway === "one");
    if (onOne === undefined) throw new Error("none came to the first gateway");
    one.state.ready = false;
    await until(() => status("gateway-1"), "DOWN");
    expect((await open(6)).map(({ gateway }) => gateway)).toEqual(Array<string>(6).fill("two"));
    expect(await echo(onOne, "still here")).toBe("still here");
    one.state.ready = true;
    await bothUp();
    expect(await echo(onOne, "and still")).toBe("and still");
    expect((await open(4)).map(({ gateway }) => gateway)).toEqual(Array<string>(4).fill("one"));
    await closeAll();
  });

  it("asks the other one at once when a gateway has closed its door before a check could notice", async () => {
    const onOne = (await open(2)).find(({ gateway }) => gateway === "one");
    if (onOne === undefined) throw new Error("none came to the first gateway");
    const { port: address } = one;
    // Also ends the connections that the balancer keeps for its checks; the open WebSocket stays.
    one.server.close();
    expect((await open(6)).map(({ gateway }) => gateway)).toEqual(Array<string>(6).fill("two"));
    expect(await echo(onOne, "still here")).toBe("still here");
    await closeAll();
    one.server.closeAllConnections();
    one = await startBackend("one", address);
    await until(() => status("gateway-1"), "UP");
    await bothUp();
  });

  it("still connects when no gateway calls itself ready, as long as one serves", async () => {
    [one.state.ready, two.state.ready] = [false, false];
    for (const server of ["gateway-1", "gateway-2"]) await until(() => status(server), "DOWN");
    expect(await open(2)).toHaveLength(2);
    [one.state.ready, two.state.ready] = [true, true];
    await bothUp();
    await closeAll();
  });

  it("gives nothing to a gateway that only starts, also when none is ready", async () => {
    [one.state.ready, two.state.ready, one.state.serves] = [false, false, false];
    for (const server of ["gateway-1", "gateway-2"]) await until(() => status(server), "DOWN");
    await until(() => column("gateways_that_serve", "gateway-1", "status"), "DOWN");
    expect((await open(3)).map(({ gateway }) => gateway)).toEqual(["two", "two", "two"]);
    [one.state.ready, two.state.ready, one.state.serves] = [true, true, true];
    await bothUp();
    await until(() => column("gateways_that_serve", "gateway-1", "status"), "UP");
    await closeAll();
  });

  it("says who the client is, and does not believe the client about it", async () => {
    one.state.forwardedFor.length = two.state.forwardedFor.length = 0;
    for (let i = 0; i < 2; i++)
      await fetch(`http://127.0.0.1:${port}/who`, { headers: { "x-forwarded-for": "192.0.2.1" } });
    expect([...one.state.forwardedFor, ...two.state.forwardedFor]).toEqual(["127.0.0.1", "127.0.0.1"]);
  });

  it("logs the paths of requests, and of none what may be a token", async () => {
    const secret = "s3cr3t";
    const logged = async (path: string, shown: string): Promise<void> => {
      requests = "";
      await exchange(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      await vi.waitFor(() => {
        expect(requests).toContain(`"GET ${shown} HTTP/1.1"\n`);
      });
      expect(requests).toMatch(/^127\.0\.0\.1:\d+ \[.*\] clients \S+ .* \d{3} \d+ /m);
      expect(requests).not.toContain(secret);
    };
    await logged(`/ws?token=${secret}`, "/ws");
    await logged(`/ws?a=b&token=${secret}&sync=${secret}`, "/ws");
    await logged(`/api/v1/conversations/g_1/messages?after=1`, "/api/v1/conversations/g_1/messages");
    await logged(`/metrics?token=${secret}`, "/metrics");
    for (const hook of ["/hooks/in/", "/hooks/in/7/", "/HOOKS/In/", "//hooks//in/", "/hooks%2Fin%2f"])
      await logged(`${hook}${secret}?x=${secret}`, `${hook.replace("7/", "")}***`);
    await logged(`/hooks/out/1`, "/hooks/out/1");
    requests = "";
    await exchange(port, `GET /ws?token=${secret} HTTP/1.1\r\nHost: x\r\n${secret} no header\r\n\r\n`);
    await vi.waitFor(() => {
      expect(requests).toMatch(/ 400 /);
    });
    expect(requests).not.toContain(secret);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${secret}`);
    await new Promise((resolve) => socket.once("message", resolve));
    socket.terminate();
    await vi.waitFor(() => {
      expect(requests).toContain(`"GET /ws HTTP/1.1"\n`);
    });
    expect(requests + log).not.toContain(secret);
  });

  it("keeps metrics from clients and has its own for operators", async () => {
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(404);
    expect(await (await fetch(`${stats}/metrics`)).text()).toContain("haproxy_server_status");
  });

  it("is reloaded without ending a connection", async () => {
    const [connection] = await open(1);
    if (connection === undefined) throw new Error("not connected");
    const times = (told: RegExp) => log.match(told)?.length ?? 0;
    const [workers, stopped] = [() => times(/New worker.*forked/g), () => times(/Proxy clients stopped/g)];
    const before = workers();
    expect(stopped()).toBe(0);
    haproxy.kill("SIGUSR2");
    await until(workers, before + 1);
    // For a moment both accept. The old one has the connection, the new one has none.
    await until(stopped, 1);
    await until(async () => (await sessions("gateway-1")) + (await sessions("gateway-2")), 0);
    expect((await open(2)).map(({ gateway }) => gateway).toSorted()).toEqual(["one", "two"]);
    expect(await echo(connection, "still here")).toBe("still here");
  });
});
