/** `scripts/servers`: its commands. Results go to stdout, what happens meanwhile to stderr. */
import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { engineNames, engines } from "./engines.mjs";
import { install } from "./install.mjs";
import { endOne, knownStacks, startOne, startStack, statusOf, stopStack } from "./stack.mjs";

const overview = `The servers that Parley's tests need, as plain processes on free loopback ports in a temporary directory.

usage: scripts/servers COMMAND [options]

  install            install what is missing
  start              start them, print their addresses as environment variables
  stop               end them for sure, remove their directory
  status             ask each of them (exit code 1 when one does not answer)
  restart NAME       SIGTERM, then start-one
  kill NAME          SIGKILL, for fault tests; its data stays
  start-one NAME     start it again on its port and its data

NAME is one of ${engineNames.join(", ")}. scripts/servers COMMAND --help says more.

${engineNames.map((name) => `  ${name.padEnd(12)} ${engines[name].title}`).join("\n")}
`;

const only = { only: { type: "string" } };
const dir = { dir: { type: "string" } };
const json = { json: { type: "boolean" } };
const whichDir = `  --dir DIR   of the servers; else PARLEY_SERVERS_DIR, else the only set that was started without --dir\n`;
const say = (text) => process.stderr.write(`${text}\n`);
const print = (text) => process.stdout.write(`${text}\n`);

const commands = {
  install: {
    help: `usage: scripts/servers install [--only NAME,NAME]

Installs what is missing: redis-server from Debian (as root), nats-server and versitygw through Go, mongo-java-server
through Maven, and, unless --only is given, what tests use besides: the official clients
(test/stack/eventstore-server/clients/install.sh), haproxy and docker-compose from Debian. The cache is ~/.cache/parley-servers;
PARLEY_SERVERS_CACHE names another one. What is there already is left as it is.\n`,
    options: only,
    run: ({ only: names }) => install(namesIn(names), say),
  },
  start: {
    help: `usage: eval "$(scripts/servers start [--only NAME,NAME] [--dir DIR])"

Starts the servers, waits until each answers, and prints export lines.
  --only      ${engineNames.join(",")}; all unless given
  --dir DIR   where they keep their data and logs: empty or not there yet; a temporary directory unless given
  --json      one object { dir, servers, env } instead of export lines\n`,
    options: { ...only, ...dir, ...json },
    run: async (given) => {
      const stop = new AbortController();
      for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => stop.abort(new Error(`ended by ${name}`)));
      const stack = await startStack({ names: namesIn(given.only), dir: given.dir, say, signal: stop.signal });
      if (given.json) print(JSON.stringify({ dir: stack.dir, servers: stack.servers, env: stack.env }));
      else for (const [name, value] of Object.entries(stack.env)) print(`export ${name}=${quoted(value)}`);
    },
  },
  stop: {
    help: `usage: scripts/servers stop [--dir DIR]\n\nEnds every server of the set and removes what they kept.\n${whichDir}`,
    options: dir,
    run: (given) => stopStack(dirOf(given), say),
  },
  status: {
    help: `usage: scripts/servers status [--dir DIR] [--json]\n\nAsks each server; exit code 1 when one does not answer.\n${whichDir}`,
    options: { ...dir, ...json },
    run: async (given) => {
      const all = await statusOf(dirOf(given));
      if (given.json) print(JSON.stringify(all));
      else
        for (const { title, port, pid, healthy, reason } of all)
          print(`${healthy ? "ok  " : "DOWN"} ${title}, port ${port}, pid ${pid}${healthy ? "" : `: ${reason}`}`);
      if (all.some(({ healthy }) => !healthy)) process.exitCode = 1;
    },
  },
  restart: {
    help: `usage: scripts/servers restart NAME [--dir DIR]\n\n${whichDir}`,
    options: dir,
    named: true,
    run: async (given, name) => {
      await endOne(dirOf(given), name, say, 5_000);
      await startOne(dirOf(given), name, say);
    },
  },
  kill: {
    help: `usage: scripts/servers kill NAME [--dir DIR]\n\nSIGKILL; its data stays.\n${whichDir}`,
    options: dir,
    named: true,
    run: (given, name) => endOne(dirOf(given), name, say),
  },
  "start-one": {
    help: `usage: scripts/servers start-one NAME [--dir DIR]\n\nStarts it again on its port and its data; one that runs stays.\n${whichDir}`,
    options: dir,
    named: true,
    run: (given, name) => startOne(dirOf(given), name, say),
  },
};

const namesIn = (only) => {
  if (only === undefined) return engineNames;
  const names = only.split(",").filter((name) => name !== "");
  for (const name of names) known(name);
  if (names.length === 0) throw new Misuse("--only names no server");
  return names;
};
const known = (name) => {
  if (!engineNames.includes(name)) throw new Misuse(`${name} is none of ${engineNames.join(", ")}`);
  return name;
};

const dirOf = (given) => {
  const named = given.dir ?? process.env.PARLEY_SERVERS_DIR;
  if (named !== undefined && named !== "") return resolve(named);
  const [only, ...others] = knownStacks();
  if (only === undefined) throw new Error("no servers were started");
  if (others.length > 0) throw new Misuse(`which ones? --dir ${[only, ...others].join(" or ")}`);
  return only;
};

const quoted = (value) => `'${value.replaceAll("'", "'\\''")}'`;

class Misuse extends Error {}

const main = async ([name, ...rest]) => {
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    print(overview);
    if (name === undefined) process.exitCode = 2;
    return;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new Misuse(`there is no command ${name}`);
  const { values, positionals } = parse(rest, command);
  if (values.help) return print(command.help);
  const [server, ...others] = positionals;
  if (others.length > 0 || (server !== undefined) !== (command.named === true))
    throw new Misuse(command.help.split("\n")[0]);
  await command.run(values, server === undefined ? undefined : known(server));
};

const parse = (args, { options }) => {
  try {
    return parseArgs({ args, options: { help: { type: "boolean", short: "h" }, ...options }, allowPositionals: true });
  } catch (error) {
    throw new Misuse(error.message);
  }
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  say(`scripts/servers: ${error.message}`);
  process.exitCode = error instanceof Misuse ? 2 : 1;
}
