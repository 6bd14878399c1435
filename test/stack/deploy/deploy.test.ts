/** The deployment files as the tools themselves read them; no container runs here. test/deploy.test.ts has the rest. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run, tool, type Ran } from "./tools.js";

// Debian's, which is version 1: another one, whose output has another shape, may be first on the PATH.
const dockerCompose = tool("docker-compose", ["/usr/bin"]);
const haproxy = tool("haproxy");
const natsServer = tool("nats-server");

const secrets = ["PARLEY_TOKEN_SECRET", "PARLEY_MASTER_KEY", "PARLEY_S3_ACCESS_KEY", "PARLEY_S3_SECRET_KEY"];

describe.skipIf(dockerCompose === undefined)("docker-compose.yml", () => {
  const directory = mkdtempSync(join(tmpdir(), "parley-compose-"));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  /** With an .env of its own: the developer's must not change the outcome. */
  const config = async (given: readonly string[], more: readonly string[] = []): Promise<Ran> => {
    const file = join(directory, "env");
    writeFileSync(file, given.map((name) => `${name}=made-up\n`).join(""));
    return run(dockerCompose ?? "", ["--env-file", file, "-f", "docker-compose.yml", ...more, "config"]);
  };
  let services: ReadonlyMap<string, string>;
  beforeAll(async () => {
    const { code, stdout, stderr } = await config(secrets);
    expect(stderr.replace(/.*DeprecationWarning.*\n/g, "")).toBe("");
    expect(code).toBe(0);
    services = servicesOf(stdout);
  });

  it("has two gateways, two projectors, the engines and the balancer", () => {
    expect([...services.keys()].toSorted()).toEqual([
      "eventstore",
      "gateway-1",
      "gateway-2",
      "haproxy",
      "mongodb",
      "nats",
      "projector-1",
      "projector-2",
      "redis",
      "s3",
    ]);
    const roles = [...services].map(([name, text]) => [name, /PARLEY_ROLE: (\w+)/.exec(text)?.[1]]);
    expect(Object.fromEntries(roles)).toMatchObject({
      "gateway-1": "gateway",
      "gateway-2": "gateway",
      "projector-1": "projector",
      "projector-2": "projector",
    });
  });

  it("gives every service a pinned image, a health check, limits and time to stop", () => {
    for (const [name, text] of services) {
      expect.soft(text, name).toMatch(/^image: \S+:v?\d+\.\d+\.\d+/m);
      // An event store ends itself with 0 to truncate what its leader does not have: started again even so.
      const restart = name === "eventstore" ? "restart: always" : "restart: unless-stopped";
      for (const key of ["healthcheck:", "mem_limit:", restart, "stop_grace_period: 40s", "nofile:"])
        expect.soft(text, name).toContain(key);
    }
  });

  it("publishes the balancer and S3 on loopback alone, and keeps the engines on a network without a way out", () => {
    for (const [name, text] of services) {
      const ports = /^ports:\n((?:- .*\n?)+)/m.exec(text)?.[1]?.trim().split("\n") ?? [];
      expect.soft(ports.length > 0, name).toBe(["haproxy", "s3"].includes(name));
      for (const port of ports) expect.soft(port, name).toMatch(/^- 127\.0\.0\.1:\d+:\d+\/tcp$/);
      const networks = [...(/^networks:\n((?: {2}.*\n?)+)/m.exec(text)?.[1] ?? "").matchAll(/^ {2}(\w+):/gm)];
      const on = networks.map(([, network]) => network).toSorted();
      if (["eventstore", "mongodb", "nats", "redis"].includes(name)) expect.soft(on, name).toEqual(["engines"]);
    }
  });

  it("publishes with deploy/compose.test.yml every engine on loopback, and nothing else more", async () => {
    const { code, stdout, stderr } = await config(secrets, ["-f", "deploy/compose.test.yml"]);
    expect(code, stderr).toBe(0);
    const ports = [...servicesOf(stdout)].map(([name, text]) => [
      name,
      [...text.matchAll(/^- ([\d.]+:\d+):\d+\/tcp$/gm)].map(([, at]) => at),
    ]);
    expect(Object.fromEntries(ports)).toMatchObject({
      eventstore: ["127.0.0.1:2113"],
      mongodb: ["127.0.0.1:27017"],
      nats: ["127.0.0.1:4222"],
      redis: ["127.0.0.1:6379"],
      s3: ["127.0.0.1:7070"],
      "gateway-1": [],
      "projector-1": [],
    });
    // Nothing is published from an internal network.
    for (const name of ["eventstore", "mongodb", "nats", "redis"])
      expect.soft(servicesOf(stdout).get(name), name).toMatch(/^networks:\n {2}edge:/m);
  });

  it.each(secrets)("does not start without %s, and says so", async (secret) => {
    const { code, stderr } = await config(secrets.filter((name) => name !== secret));
    expect(code).not.toBe(0);
    expect(stderr).toContain(`${secret} is missing in .env`);
  });
});

/** The services of docker-compose's own output, which is of one shape, each without its indentation. */
const servicesOf = (config: string): ReadonlyMap<string, string> => {
  const [, text = ""] = /^services:\n((?: {2}.*\n)+)/m.exec(config) ?? [];
  const blocks = text.split(/^ {2}(?=\S)/m).filter((block) => block !== "");
  return new Map(
    blocks.map((block) => {
      const [head = "", ...lines] = block.split("\n");
      return [head.replace(":", ""), lines.map((line) => line.slice(4)).join("\n")];
    }),
  );
};

describe.skipIf(haproxy === undefined)("deploy/haproxy.cfg", () => {
  it("is valid, also where its names do not resolve yet", async () => {
    const { code, stderr, stdout } = await run(haproxy ?? "", ["-c", "-f", "deploy/haproxy.cfg"]);
    expect(code, stderr).toBe(0);
    expect(stdout + stderr).toContain("Configuration file is valid");
    const warnings = stderr.split("\n").filter((line) => line.includes("[WARNING]"));
    expect(warnings.filter((line) => !line.includes("could not resolve address"))).toEqual([]);
  });
});

describe.skipIf(natsServer === undefined)("deploy/nats.conf", () => {
  it("is valid", async () => {
    const { code, stderr } = await run(natsServer ?? "", ["-t", "-c", "deploy/nats.conf"]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("is valid");
  });
});
