/** What each server is called, how it is started, and what the application reads its address from. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { answersHttp, answersMongo, answersNats, answersRedis, speaksEventStore } from "./probes.mjs";

export const here = dirname(fileURLToPath(import.meta.url));
export const repository = join(here, "..", "..");
export const cache = process.env.PARLEY_SERVERS_CACHE ?? join(homedir(), ".cache", "parley-servers");
export const mongoLibraries = join(cache, "mongo", "lib");
export const eventStoreServer = join(repository, "dist", "src", "eventstore-server", "process.js");

const binary = (name) => join(cache, "bin", name);
/** Administrators' programs are not on every user's PATH. */
export const isProgram = (name) =>
  [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"].some(
    (dir) => dir !== "" && existsSync(join(dir, name)),
  );

/**
 * In the order in which they are started. `command`: program, arguments and environment for a port and a directory;
 * every command line holds the directory, by which `stop` knows its own. `answers` rejects until the server serves.
 */
export const engines = {
  redis: {
    title: "Redis: redis-server (Debian)",
    standIn: false,
    variable: "PARLEY_REDIS_URL",
    lacks: () => (isProgram("redis-server") ? undefined : "redis-server is not on the PATH"),
    command: (port, dir) => ({
      program: "redis-server",
      // Its title would hide the directory from ps.
      args: [
        ...["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--set-proc-title", "no"],
        ...["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"],
      ],
    }),
    url: (port) => `redis://127.0.0.1:${port}`,
    answers: answersRedis,
  },
  nats: {
    title: "NATS with JetStream: nats-server v2.15.2",
    standIn: false,
    variable: "PARLEY_NATS_URL",
    lacks: () => (existsSync(binary("nats-server")) ? undefined : `${binary("nats-server")} is missing`),
    command: (port, dir) => ({
      program: binary("nats-server"),
      args: ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", dir],
    }),
    url: (port) => `nats://127.0.0.1:${port}`,
    answers: answersNats,
  },
  s3: {
    title: "S3: versitygw v1.8.0",
    standIn: false,
    variable: "PARLEY_S3_URL",
    lacks: () => (existsSync(binary("versitygw")) ? undefined : `${binary("versitygw")} is missing`),
    command: (port, dir, env) => ({
      program: binary("versitygw"),
      args: ["--port", `127.0.0.1:${port}`, "--region", env.PARLEY_S3_REGION, "posix", dir],
      env: { ROOT_ACCESS_KEY: env.PARLEY_S3_ACCESS_KEY, ROOT_SECRET_KEY: env.PARLEY_S3_SECRET_KEY },
    }),
    url: (port) => `http://127.0.0.1:${port}`,
    answers: answersHttp,
  },
  mongodb: {
    title: "MongoDB: mongo-java-server 1.47.0 (stand-in)",
    standIn: true,
    variable: "PARLEY_MONGODB_URL",
    lacks: () => {
      if (!isProgram("java")) return "java (17 or later) is not on the PATH";
      return existsSync(join(mongoLibraries, "mongo-java-server-h2-backend-1.47.0.jar"))
        ? undefined
        : `the jars of mongo-java-server are missing in ${mongoLibraries}`;
    },
    command: (port, dir) => ({
      program: "java",
      args: ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-cp", join(mongoLibraries, "*")].concat(
        join(here, "MongoStandIn.java"),
        String(port),
        join(dir, "mongo.h2"),
      ),
    }),
    url: (port) => `mongodb://127.0.0.1:${port}/?retryWrites=false&directConnection=true`,
    answers: answersMongo,
  },
  eventstore: {
    title: "EventStoreDB: Parley's own gRPC server (stand-in)",
    standIn: true,
    variable: "PARLEY_EVENTSTORE_URL",
    lacks: () => (existsSync(eventStoreServer) ? undefined : `${eventStoreServer} is not built: npm run build`),
    command: (port, dir) => ({
      program: process.execPath,
      args: [eventStoreServer, "--data", dir, "--port", String(port), "--writable"],
    }),
    url: (port) => `esdb://127.0.0.1:${port}?tls=false`,
    answers: speaksEventStore,
  },
};

export const engineNames = Object.keys(engines);

/** What else the application is to be told; S3's bucket is made by the adapter. */
export const companions = {
  s3: ["PARLEY_S3_ACCESS_KEY", "PARLEY_S3_SECRET_KEY", "PARLEY_S3_REGION", "PARLEY_S3_BUCKET"],
};

/** Every variable that tests against named servers need. */
export const variables = engineNames.flatMap((name) => [engines[name].variable, ...(companions[name] ?? [])]);
