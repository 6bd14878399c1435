/** What a run on engines ran on, for the reader of its figures: a stand-in's say nothing about what it stands for. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hostsOf } from "../../src/infra/engines/address.js";
import { acquireClient } from "../../src/infra/event-log/eventstoredb/client.js";
import { openMongo } from "../../src/infra/engines/mongodb/connection.js";

type Settings = Readonly<Partial<Record<string, string>>>;

/** What `scripts/servers` has started, by the variable of its address. */
const ofScripts: Readonly<Record<string, string>> = {
  PARLEY_EVENTSTORE_URL: "a stand-in for EventStoreDB (the embedded log's gRPC port)",
  PARLEY_MONGODB_URL: "a stand-in for MongoDB (mongo-java-server)",
  PARLEY_NATS_URL: "NATS",
  PARLEY_REDIS_URL: "Redis",
};
const named: Readonly<Record<string, string>> = {
  PARLEY_EVENTSTORE_URL: "an event store",
  PARLEY_MONGODB_URL: "MongoDB's protocol",
  PARLEY_NATS_URL: "NATS",
  PARLEY_REDIS_URL: "Redis",
};

/**
 * Each engine by what it is where the address is that of the set that `scripts/servers` started, and else by its address,
 * without a password, and the version that it announces.
 */
export const tellEngines = (settings: Settings, started: Settings, versions: Settings = {}): string =>
  Object.keys(ofScripts)
    .map((variable) => {
      const address = settings[variable] ?? "";
      if (address !== "" && address === started[variable]) return ofScripts[variable];
      const version = versions[variable] === undefined ? "" : `, which says that it is version ${versions[variable]}`;
      return `${named[variable] ?? variable} at ${hostsOf(address)}${version}`;
    })
    .join("; ");

export const enginesOf = async (settings: Settings): Promise<string> => {
  const started = startedIn(process.env.PARLEY_SERVERS_DIR ?? "");
  const isOther = (variable: string): boolean => settings[variable] !== started[variable];
  return tellEngines(settings, started, {
    ...(isOther("PARLEY_EVENTSTORE_URL") ? await eventStoreVersion(settings.PARLEY_EVENTSTORE_URL ?? "") : {}),
    ...(isOther("PARLEY_MONGODB_URL") ? await mongoVersion(settings.PARLEY_MONGODB_URL ?? "") : {}),
  });
};

const startedIn = (dir: string): Settings => {
  const file = join(dir, "servers.json");
  if (dir === "" || !existsSync(file)) return {};
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly env: Settings }).env;
};

const eventStoreVersion = async (url: string): Promise<Settings> => {
  const { internals, release } = acquireClient(url, () => undefined);
  try {
    return { PARLEY_EVENTSTORE_URL: (await internals.capabilities).serverVersion };
  } finally {
    await release();
  }
};

const mongoVersion = async (url: string): Promise<Settings> => {
  const { db, close } = await openMongo({ url });
  try {
    const { version } = await db.command({ buildInfo: 1 });
    return { PARLEY_MONGODB_URL: String(version) };
  } finally {
    await close();
  }
};
