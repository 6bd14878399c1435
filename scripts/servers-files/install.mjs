/** Installs what is missing, each from its own registry; what is there already is left as it is. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cache, engineNames, engines, here, isProgram, mongoLibraries, repository } from "./engines.mjs";

const goTools = {
  nats: "github.com/nats-io/nats-server/v2@v2.15.2",
  s3: "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
};

/** @throws Error that names the command which failed, or what has to be installed by hand. */
export const install = async (names, say) => {
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
  const clients = join(repository, "test", "stack", "clients", "install.sh");
  if (names.includes("eventstore") && existsSync(clients)) await run("bash", [clients]);
  if (names.length === engineNames.length) await installTools(say);
};

/** What tests of the files for operators ask: they are skipped without them, except in CI. */
const installTools = async (say) => {
  const missing = ["haproxy", "docker-compose"].filter((name) => !isProgram(name));
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
    return run("mvn", ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${mongoLibraries}`]);
  },
  eventstore: () => run("npm", ["run", "--silent", "build"]),
};

const isRoot = () => process.getuid?.() === 0;

const aptInstall = async (packages) => {
  await run("apt-get", ["update", "-qq"]);
  // In run level 1 Debian does not start the services that it installs.
  const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], env);
};

const goInstall = (module) => {
  mkdirSync(join(cache, "bin"), { recursive: true });
  return run("go", ["install", module], { GOBIN: join(cache, "bin") });
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
