/** Installs what is missing, each from its own registry; what is there already is left as it is. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cache, engineNames, engines, here, isProgram, mongoLibraries, repository } from "./engines.mjs";

const goTools = {
  nats: "github.com/nats-io/nats-server/v2@v2.15.2",
  s3: "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
};

/**
 * `extras`: also what tests use besides the servers, the official clients of EventStoreDB, haproxy and docker-compose. Tests
 * are skipped without them, so that one that cannot be had is only said, except in CI.
 * @throws Error that names the command which failed, or what has to be installed by hand.
 */
export const install = async (names, say, extras = names.length === engineNames.length) => {
  for (const name of names) {
    if (engines[name].lacks() === undefined) {
      say(`${name}: there already`);
      continue;
    }
    const startedAt = Date.now();
    await installers[name]();
    const lacks = engines[name].lacks();
    if (lacks !== undefined) throw new Error(`${name}: still, ${lacks}`);
    say(`${name}: installed in ${((Date.now() - startedAt) / 1_000).toFixed(1)} s`);
  }
  if (!extras) return;
  await orSaid(() => download("bash", [join(repository, clients)]), say);
  await orSaid(() => installTools(say), say);
};

const clients = "test/stack/eventstore-server/clients/install.sh";
/** The tests that use them. */
const extrasTests = ["eventstore-server/clients", "deploy/deploy", "deploy/haproxy"].map(
  (name) => `test/stack/${name}.test.ts`,
);

/** Whether a run of these servers' tests, with these arguments of vitest, has any that uses the extras. */
export const wantsExtras = (names, args) => {
  const files = args.filter((arg) => !arg.startsWith("-"));
  if (files.length === 0) return names.length === engineNames.length;
  return files.some((file) => extrasTests.some((test) => test.includes(file)));
};

const orSaid = async (work, say) => {
  try {
    await work();
  } catch (error) {
    if (process.env.CI === "true") throw error;
    say(`${error.message}; the tests that use it are skipped`);
  }
};

/** What tests of the files for operators ask: they are skipped without them, except in CI. */
const installTools = async (say) => {
  // Version 1, whose output the tests read: on the PATH another one may be first.
  const isThere = { haproxy: isProgram("haproxy"), "docker-compose": existsSync("/usr/bin/docker-compose") };
  const missing = Object.keys(isThere).filter((name) => !isThere[name]);
  if (missing.length === 0) return;
  if (isRoot()) await aptInstall(missing);
  else say(`${missing.join(", ")}: as root, run: apt-get install ${missing.join(" ")}`);
};

const installers = {
  redis: () => {
    if (!isRoot()) throw new Error("redis: as root, run: apt-get install redis-server");
    return aptInstall(["redis-server"]);
  },
  nats: () => goInstall(goTools.nats),
  s3: () => goInstall(goTools.s3),
  mongodb: () => {
    mkdirSync(mongoLibraries, { recursive: true });
    const pom = join(here, "pom.xml");
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
    return download("mvn", ["-q", "-B", "-f", pom, goal, `-DoutputDirectory=${mongoLibraries}`]);
  },
  eventstore: () => run("npm", ["run", "--silent", "build"]),
};

const isRoot = () => process.getuid?.() === 0;

const aptInstall = async (packages) => {
  const options = ["-qq", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300"];
  await download("apt-get", [...options, "update"]);
  // In run level 1 Debian does not start the services that it installs.
  const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  await download("apt-get", [...options, "install", "-y", "--no-install-recommends", ...packages], env);
};

const goInstall = (module) => {
  mkdirSync(join(cache, "bin"), { recursive: true });
  return download("go", ["install", module], { GOBIN: join(cache, "bin") });
};

const pausesMs = [5_000, 20_000];

/** A registry that fails for a moment must not end everything: three attempts. All that is run so may be run again. */
const download = async (program, args, env) => {
  for (const pauseMs of pausesMs) {
    try {
      return await run(program, args, env);
    } catch (error) {
      process.stderr.write(`${error.message}; once more in ${pauseMs / 1_000} s\n`);
      await sleep(pauseMs);
    }
  }
  return run(program, args, env);
};

/** Its output goes to stderr: stdout is for results. */
const run = (program, args, env = {}) =>
  new Promise((resolve, reject) => {
    const told = [program, ...args].join(" ");
    const child = spawn(program, args, {
      cwd: repository,
      stdio: ["ignore", 2, 2],
      env: { ...process.env, ...env },
    });
    child.on("error", (error) => reject(new Error(`${told}: ${error.message}`, { cause: error })));
    child.on("exit", (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${told}: ended with ${signal ?? code}`)),
    );
  });
