import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { startEcho } from "../floors/echo.js";
import { openAll } from "../load/open-all.js";
import { row, scaled, type BenchContext, type Figures, type Scenario } from "../scenario.js";
import { residentKiB } from "../server/memory.js";
import { startParley } from "../server/parley.js";
import { hasProc } from "../server/threads.js";

const connectionsWanted = 20_000;
/** Files that a process has open besides its connections. */
const otherFiles = 300;
/** Until garbage of the handshakes is collected and the memory that is left is what connections need. */
const settleMs = 5_000;
const floorIs = "as many connections to a bare uWebSockets.js server that knows nothing of them";

/** Devices of as many users that are connected and say nothing. */
export const idleConnections: Scenario = {
  name: "idle-connections",
  summary: `${connectionsWanted} connected devices of different users; memory each, and how fast they come in`,
  run: async (context) => {
    if (!hasProc) throw new Error("memory of another process is read from /proc: Linux only");
    const connections = Math.min(scaled(context, connectionsWanted), filesMax() - otherFiles);
    if (connections < scaled(context, connectionsWanted))
      context.say(`idle-connections: ${connections} only; more needs a higher hard limit (ulimit -Hn)`);
    const floor = await ofEcho(context, connections);
    const figures = await ofParley(context, connections);
    return [row({ variant: `${connections} connections`, figures, floors: { echo: { is: floorIs, figures: floor } } })];
  },
};

/** Node raises its soft limit to the hard one by itself; children inherit it. */
const filesMax = (): number => {
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  return limit === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(limit);
};

const ofParley = async (context: BenchContext, connections: number): Promise<Figures> => {
  const server = await startParley(context);
  try {
    return await measureIdle(server.pid, connections, (index) => ({
      url: new URL("/ws", server.url),
      headers: { authorization: `Bearer ${server.token(`user-${index}`)}` },
    }));
  } finally {
    await server.stop();
  }
};

const ofEcho = async (context: BenchContext, connections: number): Promise<Figures> => {
  const echo = await startEcho(context);
  try {
    return await measureIdle(echo.pid, connections, () => ({ url: echo.url }));
  } finally {
    await echo.stop();
  }
};

type Target = { readonly url: URL; readonly headers?: Readonly<Record<string, string>> };

const measureIdle = async (pid: number, connections: number, target: (index: number) => Target): Promise<Figures> => {
  await sleep(1_000);
  const before = residentKiB(pid);
  const from = performance.now();
  const group = await openAll(connections, (index) => ({ ...target(index), onText: () => undefined }), {
    heartbeat: true,
  });
  const elapsed = (performance.now() - from) / 1000;
  try {
    await Promise.race([sleep(settleMs), group.failed]);
    const rss = residentKiB(pid);
    return {
      rssPerConnectionKiB: (rss - before) / connections,
      rssTotalKiB: rss,
      connectionsOpen: connections,
      connectsPerSecond: connections / elapsed,
    };
  } finally {
    group.close();
    // The server sees the ends before it is stopped: closing is part of what has to work.
    await sleep(500);
  }
};
