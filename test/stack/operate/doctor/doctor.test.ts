/** `parley doctor` and `parley projections status` of the distributed profile, on the engines. */
import { randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectS3 } from "../../../../src/infra/blob-store/s3/client.js";
import { openMongo } from "../../../../src/infra/engines/mongodb/connection.js";
import type { DistributedDiagnosis } from "../../../../src/operate/doctor/distributed.js";
import type { ProjectionsStatus } from "../../../../src/operate/inspect/status.js";
import { checkS3AtStart } from "../../../../src/profiles/s3-start.js";
import { checkpointsOf } from "../../../../src/infra/view-store/mongodb/checkpoints.js";
import { json, run } from "../../../cli/run.js";
import { clusterEngines, startCluster, type Cluster } from "../../../kit/cluster.js";
import { connectDevice, eventually, text } from "../../../kit/device.js";
import { engine } from "../../../kit/engines.js";
import { mayStartServers, startOwnServers } from "../../../kit/own-servers.js";
import { stablePort } from "../../../kit/ports.js";
import { asPosition } from "../../../../src/domain/kernel/stream.js";

const hasEngines = clusterEngines() && engine("PARLEY_S3_URL") !== undefined;

type Environment = Readonly<Record<string, string>>;

/** A cell of its own on the run's engines: nothing there is of anybody else but the log. */
const newCell = (): Environment => {
  const tag = randomBytes(5).toString("hex");
  const given = Object.entries(process.env).filter(([name]) => name.startsWith("PARLEY_"));
  return {
    ...(Object.fromEntries(given) as Record<string, string>),
    PARLEY_PROFILE: "distributed",
    PARLEY_MONGODB_DATABASE: `parley-test-${tag}`,
    PARLEY_CELL: `test-${tag}`,
    PARLEY_S3_BUCKET: `parley-test-${tag}`,
    PARLEY_MASTER_KEY: randomBytes(32).toString("base64"),
    PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64url"),
  };
};
const s3Of = (cell: Environment) => ({
  url: cell.PARLEY_S3_URL ?? "",
  accessKey: cell.PARLEY_S3_ACCESS_KEY ?? "",
  secretKey: cell.PARLEY_S3_SECRET_KEY ?? "",
  region: cell.PARLEY_S3_REGION ?? "us-east-1",
  bucket: cell.PARLEY_S3_BUCKET ?? "",
});
const objectsIn = async (cell: Environment): Promise<readonly unknown[]> => {
  const options = s3Of(cell);
  const objects = connectS3(options.url, options).listObjectsV2(options.bucket, "", true);
  return (await objects.toArray()) as readonly unknown[];
};
const mongoOf = (cell: Environment) =>
  openMongo({ url: cell.PARLEY_MONGODB_URL ?? "", database: cell.PARLEY_MONGODB_DATABASE ?? "" });

const doctor = async (cell: Environment) => {
  const ran = await run(["doctor", "--json"], cell);
  const diagnosis = json(ran) as DistributedDiagnosis;
  const named = (wanted: string) => diagnosis.checks.flatMap(({ name, state }) => (state === wanted ? [name] : []));
  const saysOf = (wanted: string) => diagnosis.checks.find(({ name }) => name === wanted)?.says;
  const said = ran.stdout + ran.stderr;
  return { code: ran.code, diagnosis, said, wrong: named("wrong"), warnings: named("warning"), saysOf };
};
const status = async (cell: Environment) => {
  const ran = await run(["projections", "status", "--json"], cell);
  return { code: ran.code, found: json(ran) as ProjectionsStatus };
};

describe.skipIf(!hasEngines)("with processes running", () => {
  let cell: Environment;
  let cluster: Cluster;
  beforeAll(async () => {
    cell = newCell();
    cluster = await startCluster({ gateways: 1, projectors: 2, environment: cell });
    const alice = await connectDevice(cluster.door(0), cluster.user("alice"), "phone");
    const { conversationId } = await alice.createDirect(cluster.user("bob"));
    await alice.send(conversationId, text("hello")).accepted;
    alice.close();
  });
  afterAll(async () => {
    await cluster.dispose();
    await connectS3(s3Of(cell).url, s3Of(cell)).removeBucket(s3Of(cell).bucket);
  });

  test("nothing is wrong, and the partitions, views and delivery are all there", async () => {
    await eventually(
      async () => {
        const { found } = await status(cell);
        return (found.partitions ?? []).every(({ holder, isBehind }) => holder !== null && !isBehind);
      },
      "held and caught-up partitions",
      60_000,
    );
    const { found, code } = await status(cell);
    expect(code).toBe(0);
    expect(found.partitions?.map(({ partition }) => partition)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(found.partitions?.map(({ holder }) => holder)).size).toBe(2);
    for (const { position, lag, epoch } of found.projections)
      expect([position, lag, epoch]).toEqual([found.head, 0, found.logEpoch]);

    const seen = await doctor(cell);
    expect([seen.code, seen.wrong, seen.diagnosis.running]).toEqual([0, [], true]);
    expect(seen.saysOf("eventstore")).toContain(`epoch ${found.logEpoch ?? "none"}`);
    expect(seen.saysOf("mongodb writes")).toBe("a majority acknowledges");
    expect(seen.saysOf("master key")).toBe("it opens the database's keys");
    expect(seen.saysOf("partitions")).toBe("each of the 8 has a projector");
    expect(seen.saysOf("views")).toMatch(/, 0 events behind, same epoch$/);
    expect(seen.saysOf("delivery")).toMatch(/, 0 events behind, same epoch$/);
    expect(seen.saysOf("s3")).toMatch(/has what Parley needs.*; nothing uses it yet, files are not served$/);
    expect(seen.saysOf("jetstream")).toMatch(/^it is on, \d+ streams?; nothing uses it yet$/);
    await eventually(async () => (await objectsIn(cell)).length === 0, "objects of checks removed");
  });

  test("another master key, and another number of partitions", async () => {
    const otherKey = await doctor({ ...cell, PARLEY_MASTER_KEY: randomBytes(32).toString("base64") });
    expect([otherKey.code, otherKey.wrong]).toEqual([1, ["master key"]]);
    const fewer = await doctor({ ...cell, PARLEY_PARTITIONS: "4" });
    expect([fewer.code, fewer.wrong]).toEqual([1, ["partitions"]]);
    const more = await doctor({ ...cell, PARLEY_PARTITIONS: "10" });
    expect([more.code, more.warnings, more.saysOf("partitions")]).toEqual([
      0,
      expect.arrayContaining(["partitions"]),
      "nobody works on 8 9",
    ]);
  });

  test("views ahead of a log that was restored: every process refuses to start, doctor says the same, and nothing changes", async () => {
    const { found } = await status(cell);
    const restored = { ...cell, PARLEY_MONGODB_DATABASE: `${cell.PARLEY_MONGODB_DATABASE ?? ""}-restored` };
    const mongo = await mongoOf(restored);
    const views = checkpointsOf(mongo.db, 8, () => undefined, "views");
    const ahead = { position: asPosition(Number.MAX_SAFE_INTEGER), epoch: found.logEpoch ?? "" };
    try {
      await views.raise([3], ahead);
      const starts = await Promise.all(
        ["gateway", "projector"].map((role) => run(["serve", "--port", "0", "--role", role], restored)),
      );
      const out = `The checkpoint of views in MongoDB's database ${restored.PARLEY_MONGODB_DATABASE} is at`;
      for (const { code, stderr } of starts) expect([code, stderr]).toEqual([1, expect.stringContaining(out)]);
      const { wrong, diagnosis } = await doctor(restored);
      const mend = diagnosis.checks.find(({ name }) => name === "views")?.mend;
      expect([wrong, mend]).toEqual([["views"], expect.stringContaining(out)]);
      expect((await views.load())[3]).toEqual(ahead);
    } finally {
      await mongo.db.dropDatabase();
      await mongo.close();
    }
  });

  test("another cell's name, with which no process starts", async () => {
    const other = { ...cell, PARLEY_CELL: "other" };
    const { code, wrong } = await doctor(other);
    expect([code, wrong]).toEqual([1, expect.arrayContaining(["cell"])]);
    const started = await run(["serve", "--port", "0"], other);
    expect(started.code).toBe(1);
    expect(started.stderr).toContain(`is of the cell ${cell.PARLEY_CELL ?? ""}, and PARLEY_CELL (--cell) is other`);
  });

  test("for people: a table of the partitions, what to do next, no colours into a pipe", async () => {
    const shown = await run(["projections", "status"], cell);
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/partition +views +delivery.*projector\n/)]);
    const said = await run(["doctor"], cell);
    expect([said.code, said.stdout]).toEqual([
      0,
      expect.stringMatching(/ok +projectors +\S+ holds \d[\d ]+; \S+ holds/),
    ]);
    expect(said.stdout).toContain("parley projections status --profile distributed");
    expect(said.stdout + shown.stdout).not.toContain("\u001b");
  });

  test("without Redis only the holders are unknown", async () => {
    const away = { ...cell, PARLEY_REDIS_URL: `redis://127.0.0.1:${await stablePort()}` };
    const { code, found } = await status(away);
    expect([code, found.holdersProblem]).toEqual([0, expect.stringContaining("Redis")]);
    expect(found.partitions?.map(({ holder }) => holder)).toEqual(new Array(8).fill(null));
  });
});

describe.skipIf(!hasEngines)("without processes", () => {
  test("it leaves nothing behind in a database, a bucket and a Redis that nobody has begun", async () => {
    const cell = newCell();
    const { code, wrong, diagnosis, warnings } = await doctor(cell);
    expect([code, wrong, diagnosis.running]).toEqual([0, [], false]);
    expect(warnings).toEqual(expect.arrayContaining(["s3", "projectors"]));
    const mongo = await mongoOf(cell);
    expect(await mongo.db.listCollections().toArray()).toEqual([]);
    await mongo.close();
    expect(await connectS3(s3Of(cell).url, s3Of(cell)).bucketExists(s3Of(cell).bucket)).toBe(false);
    const redis = new Redis(cell.PARLEY_REDIS_URL ?? "");
    expect(await redis.keys(`*${cell.PARLEY_CELL ?? ""}*`)).toEqual([]);
    redis.disconnect();
  });

  test("views of another log are wrong, with the way out, which spares the keys", async () => {
    const cell = newCell();
    const mongo = await mongoOf(cell);
    const views = checkpointsOf(mongo.db, 8, () => undefined, "views");
    await views.raise([0, 1, 2, 3, 4, 5, 6, 7], { position: asPosition(1), epoch: "another" });
    const { code, wrong, diagnosis } = await doctor(cell);
    const shown = await run(["projections", "status"], cell);
    await mongo.db.dropDatabase();
    await mongo.close();
    expect([code, wrong]).toEqual([1, ["views"]]);
    expect(diagnosis.checks.find(({ name }) => name === "views")?.mend).toContain("Do not drop the whole database");
    expect([shown.code, shown.stdout]).toEqual([1, expect.stringContaining("epoch another")]);
  });

  test("--data is refused: there is no directory", async () => {
    for (const command of [["doctor"], ["projections", "status"]]) {
      const { code, stderr } = await run([...command, "--data", "here"], newCell());
      expect([code, stderr]).toEqual([2, expect.stringContaining("--data is of the embedded profile")]);
    }
  });
});

const password = "hunter2-hunter2";
const addresses = {
  PARLEY_EVENTSTORE_URL: ["eventstore", (host: string) => `esdb://admin:${password}@${host}?tls=false`],
  PARLEY_MONGODB_URL: ["mongodb", (host: string) => `mongodb://parley:${password}@${host}/`],
  PARLEY_NATS_URL: ["nats", (host: string) => `nats://parley:${password}@${host}`],
  PARLEY_REDIS_URL: ["redis", (host: string) => `redis://parley:${password}@${host}`],
  PARLEY_S3_URL: ["s3", (host: string) => `http://parley:${password}@${host}`],
} as const;
const everyAddress = Object.entries(addresses);

/** On both outputs. */
const statusSaid = async (cell: Environment): Promise<string> => {
  const { stdout, stderr } = await run(["projections", "status"], cell);
  return stdout + stderr;
};

describe.skipIf(!hasEngines)("an engine that is away", () => {
  test.each(everyAddress)("is named with its mend, and %s's password is not printed", async (variable, [name, at]) => {
    const cell = { ...newCell(), [variable]: at(`127.0.0.1:${await stablePort()}`) };
    const [{ code, wrong, diagnosis, said }, shown] = await Promise.all([doctor(cell), statusSaid(cell)]);
    expect([code, wrong]).toEqual([1, [name]]);
    expect(diagnosis.checks.find((check) => check.name === name)?.mend).toContain(variable);
    expect(said + shown).not.toContain("hunter2");
  });

  test("is told from one that is there and refuses us", async () => {
    const cell = newCell();
    const refused = {
      PARLEY_REDIS_URL: (cell.PARLEY_REDIS_URL ?? "").replace("://", `://nobody:${password}@`),
      PARLEY_S3_SECRET_KEY: password,
    };
    const { code, wrong, diagnosis, said } = await doctor({ ...cell, ...refused });
    expect([code, wrong]).toEqual([1, ["redis", "s3"]]);
    for (const { name, mend } of diagnosis.checks.filter(({ state }) => state === "wrong"))
      expect.soft(mend, name).toMatch(/is there and refuses us/);
    expect(said).not.toContain("hunter2");
  });

  test("and those that take connections and say nothing are not waited for", async () => {
    const silent = await startSilent();
    const urls = everyAddress.map(([variable, [, at]]) => [variable, at(silent.host)] as const);
    const { code, wrong } = await doctor({ ...newCell(), ...Object.fromEntries(urls) });
    silent.stop();
    expect([code, wrong]).toEqual([1, ["eventstore", "mongodb", "nats", "redis", "s3"]]);
  });
});

const startSilent = async (): Promise<{ readonly host: string; readonly stop: () => void }> => {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => sockets.add(socket.on("error", () => socket.destroy())));
  const port = await stablePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { host: `127.0.0.1:${port}`, stop };
};

describe.skipIf(!hasEngines)("a wrong configuration", () => {
  test("names each variable with what it must be, and none of the secrets", async () => {
    const wrong = {
      PARLEY_EVENTSTORE_URL: `http://admin:${password}@127.0.0.1:2113`,
      PARLEY_REDIS_URL: `127.0.0.1:6379/${password}`,
      PARLEY_MASTER_KEY: password,
      PARLEY_PARTITIONS: "none",
    };
    const cell = { ...newCell(), ...wrong };
    const [{ code, diagnosis, said }, shown] = await Promise.all([doctor(cell), statusSaid(cell)]);
    const problems = diagnosis.checks.filter(({ state }) => state === "wrong");
    expect([code, diagnosis.ok, problems.map(({ name }) => name)]).toEqual([
      1,
      false,
      new Array(4).fill("configuration"),
    ]);
    for (const variable of Object.keys(wrong)) {
      const problem = problems.find(({ says }) => says.startsWith(variable));
      expect([problem?.says, problem?.mend]).toEqual([
        expect.stringContaining("must be"),
        expect.stringContaining(variable),
      ]);
    }
    expect(said + shown).not.toContain("hunter2");
  });

  test("a password that was not encoded falls apart in the parsers, and no piece of it is printed", async () => {
    const unencoded = "parley:zebra@quagga:okapi/tapir#bongo";
    const wrong = Object.keys(addresses).map((variable) => [
      variable,
      `${schemeOf(variable)}${unencoded}@127.0.0.1:1/`,
    ]);
    const cell = { ...newCell(), ...(Object.fromEntries(wrong) as Environment) };
    const [{ said }, shown] = await Promise.all([doctor(cell), statusSaid(cell)]);
    expect(said).toContain("percent-encoded");
    expect(said + shown).not.toMatch(/zebra|quagga|okapi|tapir|bongo/);
  });
});

const schemeOf = (variable: string): string =>
  /^.*:\/\//.exec(newCell()[variable] ?? "")?.[0] ?? "the environment names the engines";

describe.skipIf(!hasEngines || !mayStartServers)("Redis' settings", () => {
  test("one that throws leases away is wrong, one that forgets them is a warning", async () => {
    const servers = await startOwnServers("redis");
    try {
      const redis = new Redis(servers.env.PARLEY_REDIS_URL ?? "");
      await redis.config("SET", "maxmemory-policy", "allkeys-lru");
      await redis.config("SET", "appendonly", "no");
      redis.disconnect();
      const { wrong, warnings } = await doctor({ ...newCell(), ...servers.env });
      expect([wrong, warnings]).toEqual([["redis memory"], expect.arrayContaining(["redis persistence"])]);
    } finally {
      await servers.stop();
    }
  });
});

describe.skipIf(!hasEngines)("S3 at the start", () => {
  type Warned = { readonly feature?: string; readonly fix?: string };
  const warningsOf = async (s3: ReturnType<typeof s3Of>, enough: (said: readonly Warned[]) => boolean) => {
    const said: Warned[] = [];
    checkS3AtStart(
      { s3 },
      { warn: (detail: object) => said.push(detail), info: (detail: object) => said.push(detail) },
    );
    await eventually(() => enough(said), "warnings");
    return said;
  };

  test("each feature that is missing is a warning with its fix; the address's password is none of it", async () => {
    const cell = newCell();
    const away = await warningsOf(
      { ...s3Of(cell), url: `http://127.0.0.1:${await stablePort()}` },
      (said) => said.length > 0,
    );
    expect(away).toEqual([
      expect.objectContaining({ feature: "bucket", fix: expect.stringContaining("PARLEY_S3_URL") as string }),
    ]);
    const wrong = await warningsOf(
      { ...s3Of(cell), url: `http://a:${password}@127.0.0.1/path` },
      (said) => said.length > 0,
    );
    expect(JSON.stringify(wrong)).toMatch(/PARLEY_S3_URL/);
    expect(JSON.stringify(wrong)).not.toContain("hunter2");
  });

  test("a gateway starts all the same", async () => {
    const cell = { ...newCell(), PARLEY_S3_URL: `http://127.0.0.1:${await stablePort()}` };
    const cluster = await startCluster({ gateways: 1, projectors: 0, environment: cell });
    expect((await fetch(`${cluster.gateways[0]?.url() ?? ""}/readyz`)).status).toBe(200);
    await cluster.dispose();
  });
});
