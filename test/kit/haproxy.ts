/** A real HAProxy with the configuration as it is shipped, before the gateways of a cluster. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { eventually } from "./device.js";
import { stablePort } from "./ports.js";
import type { ServerProcess } from "./server.js";

export type Haproxy = {
  /** Where clients connect. */
  readonly url: string;
  /** Resolves when every gateway gets new connections. */
  readonly allUp: () => Promise<void>;
  /** Connections that a gateway has, by its index. */
  readonly sessions: (gateway: number) => Promise<number>;
  readonly stop: () => Promise<void>;
};

/** @throws Error with what HAProxy said when it does not start */
export const startHaproxy = async (
  program: string,
  [one, two]: readonly [Pick<ServerProcess, "url">, Pick<ServerProcess, "url">],
): Promise<Haproxy> => {
  const [port, statsPort] = [await stablePort(), await stablePort()];
  const stats = `http://127.0.0.1:${statsPort}`;
  const child = spawn(program, ["-W", "-db", "-f", "deploy/haproxy.cfg"], {
    env: {
      PARLEY_LB_BIND: `127.0.0.1:${port}`,
      PARLEY_LB_STATS_BIND: `127.0.0.1:${statsPort}`,
      PARLEY_LB_GATEWAY_1: new URL(one.url()).host,
      PARLEY_LB_GATEWAY_2: new URL(two.url()).host,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = `${said}${text}`.slice(-10_000)));
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  const column = async (gateway: number, name: string): Promise<string | undefined> => {
    const [head = "", ...lines] = (await (await fetch(`${stats}/;csv`)).text()).replace(/^# /, "").split("\n");
    const rows = lines.map((line) => line.split(","));
    const row = rows.find(([backend, server]) => backend === "gateways" && server === `gateway-${gateway + 1}`);
    return row?.[head.split(",").indexOf(name)];
  };
  const allUp = (): Promise<void> =>
    eventually(
      async () => (await column(0, "status")) === "UP" && (await column(1, "status")) === "UP",
      "both gateways up in HAProxy",
      60_000,
    );
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`HAProxy ended: ${said}`);
      return (await fetch(`${stats}/health`).catch(() => undefined))?.status === 200;
    }, "HAProxy answers");
    await allUp();
  } catch (error) {
    if (child.exitCode === null) await stop();
    throw error;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    allUp,
    sessions: async (gateway) => Number(await column(gateway, "scur")),
    stop,
  };
};
