/** Engines that are started after the processes that need them, each in its turn. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../kit/device.js";
import { mayStartServers, startOwnServers, type OwnServers, type ServerName } from "../../kit/own-servers.js";
import { stablePort } from "../../kit/ports.js";

const parley = fileURLToPath(new URL("../../../dist/src/cli/parley.js", import.meta.url));
const names: readonly ServerName[] = ["eventstore", "mongodb", "nats", "redis"];

let servers: OwnServers | undefined;
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await servers?.stop();
});

const serve = (role: string, port: number, env: NodeJS.ProcessEnv): ChildProcess => {
  const args = [parley, "serve", "--profile", "distributed", "--role", role, "--port", String(port)];
  const child = spawn(process.execPath, [...args, "--log-level", "error"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, ...env },
  });
  children.push(child);
  return child;
};

type Ready = { readonly ready: boolean; readonly problems: Readonly<Record<string, string>> };
const page = (port: number, path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
/** Undefined between what serves the port while it starts and what serves it then. */
const ready = async (port: number): Promise<Ready | undefined> => {
  const answer = await page(port, "/readyz").catch(() => undefined);
  return answer && ((await answer.json()) as Ready);
};
/** Of engines. That it starts is said beside them, and that nobody builds the views where there is no projector. */
const problemsOf = async (port: number): Promise<readonly string[]> =>
  Object.keys((await ready(port))?.problems ?? { "nobody answers": "" }).filter(
    (name) => name !== "parley" && name !== "views",
  );
const untilProblems = (port: number, problems: readonly string[]): Promise<void> =>
  eventually(
    async () => (await problemsOf(port)).join() === problems.join(),
    `port ${port} names ${problems.join(", ") || "nothing"}`,
    60_000,
  );

describe.skipIf(!mayStartServers)("processes that are started before their engines", () => {
  it.each(["gateway", "projector"])("wait for each, and serve when all are there: %s", async (role) => {
    servers = await startOwnServers(...names);
    const { env, kill, startAgain } = servers;
    await Promise.all(names.map(kill));
    const port = await stablePort();
    const child = serve(role, port, env);

    await untilProblems(port, ["eventstore"]);
    expect((await page(port, "/healthz")).status).toBe(200);
    const away = await page(port, "/api/v1/me");
    expect([away.status, away.headers.get("retry-after")]).toEqual([503, "1"]);

    await startAgain("eventstore");
    await untilProblems(port, ["mongodb"]);
    expect((await page(port, "/readyz")).status).toBe(503);

    await startAgain("mongodb");
    // The other two may come later.
    await untilProblems(port, ["nats", "redis"]);
    expect(await ready(port)).toMatchObject({ ready: true });
    expect((await page(port, "/healthz")).status).toBe(200);
    expect((await page(port, "/api/v1/me")).status).toBe(role === "gateway" ? 401 : 404);

    await startAgain("nats");
    await startAgain("redis");
    await untilProblems(port, []);
    expect(child.exitCode).toBeNull();
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
