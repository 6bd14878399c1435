import { describe, expect, it } from "vitest";
import type { Engines } from "../../src/profiles/engines.js";
import { engineReadiness } from "../../src/profiles/readiness.js";

type Asked = Parameters<typeof engineReadiness>[0];
type Engine = keyof Pick<Engines, "log" | "mongo" | "nats" | "redis">;

const away = (engine: Engine) => (engine === "log" ? "eventstore" : engine === "mongo" ? "mongodb" : engine);
const enginesWithout = (...gone: readonly Engine[]): Asked => {
  const ping = (engine: Engine) => () =>
    gone.includes(engine) ? Promise.reject(new Error(`${engine} is away`)) : Promise.resolve();
  return {
    log: { ping: ping("log") },
    mongo: { ping: ping("mongo") },
    nats: { connected: () => !gone.includes("nats") },
    redis: { available: () => !gone.includes("redis") },
  };
};

describe("a process of the distributed profile", () => {
  it("whose log answers is ready, whatever else does not, and names that", async () => {
    expect(await engineReadiness(enginesWithout())()).toEqual({ ready: true, problems: {} });
    const others = ["mongo", "nats", "redis"] as const;
    for (const gone of [...others.map((engine) => [engine]), others]) {
      const { ready, problems } = await engineReadiness(enginesWithout(...gone))();
      expect([ready, Object.keys(problems)]).toEqual([true, gone.map(away)]);
    }
  });

  it("whose log does not answer is not ready", async () => {
    const { ready, problems } = await engineReadiness(enginesWithout("log"))();
    expect([ready, problems]).toEqual([false, { eventstore: "log is away" }]);
  });
});
