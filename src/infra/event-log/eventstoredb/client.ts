/**
 * The one EventStoreDBClient of this process. The client keeps the appends under way of all its instances in one table,
 * where an outage of one cluster answers for the appends of another: so there are never two of them.
 */
import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { EventStoreDBClient } from "@eventstore/db-client";
import type { CallOptions, Client as GrpcClient, Metadata, MethodDefinition } from "@grpc/grpc-js";
import { hostsOf } from "../../engines/address.js";
import { messageOf } from "./errors.js";
import { nameNoAddresses } from "./sni.js";

export type SharedClient = {
  readonly internals: ClientInternals;
  /** The address without user and password, for messages. */
  readonly target: string;
  /** Cancels what is under way when it was the last. Repeatable. */
  readonly release: () => Promise<void>;
};

/** What appends and reads use of the client beyond its public types; the version is pinned in package.json. */
export type ClientInternals = {
  /** Opens a call on the channel in use; the client replaces the channel when the call fails for want of a server. */
  readonly GRPCStreamCreator: <C extends GrpcClient, S>(
    Client: new (...parameters: never[]) => C,
    debugName: string,
    creator: (client: C) => S,
  ) => () => Promise<S>;
  readonly callArguments: (options: object, callOptions: CallOptions) => [Metadata, CallOptions];
  /** Asked once a channel; rejects with a raw gRPC error when there is no server. */
  readonly capabilities: Promise<ServerCapabilities>;
};
export type ServerCapabilities = {
  readonly serverVersion: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- MethodDefinition is invariant: no other type takes every method.
  readonly supports: (method: MethodDefinition<any, any>) => boolean;
};

type Shared = { readonly address: string; readonly client: EventStoreDBClient; references: number };
let shared: Shared | undefined;

/**
 * The client for an address: a new one, or the one there is.
 * @throws Error when the process has a client for another address, or this is no address.
 */
export const acquireClient = (url: string, onProblem: (error: Error) => void): SharedClient => {
  const address = addressOf(url);
  const target = hostsOf(address);
  if (shared !== undefined && shared.address !== address)
    throw new Error(
      `this process has a client for the event store at ${hostsOf(shared.address)} and cannot have one for ${target}`,
    );
  const used = (shared ??= { address, client: connect(withDefaults(address), target, onProblem), references: 0 });
  used.references += 1;
  let released = false;
  return {
    internals: internalsOf(used.client),
    target,
    release: async () => {
      if (released) return;
      released = true;
      used.references -= 1;
      if (used.references > 0) return;
      shared = undefined;
      await used.client.dispose();
    },
  };
};

/** The client knows EventStoreDB's name of the scheme only; KurrentDB's is the same protocol. */
const addressOf = (url: string): string =>
  url.trim().replace(/^(?:kurrentdb|kurrent|kdb)(\+discover)?:\/\//i, "esdb$1://");

/**
 * A leader that stands still keeps its connections open, and the client with it: for 20 s by its own defaults. With these
 * the client leaves it within 3 s (an interval, then a time-out, in milliseconds), and looks for the next one with what
 * other nodes tell within two seconds (this one in seconds).
 */
const defaults = { keepAliveInterval: 1_000, keepAliveTimeout: 1_500, gossipTimeout: 2 };

/** The address with our defaults for what it does not say; names count without case, `_` and `-`, as the client reads them. */
export const withDefaults = (address: string): string => {
  const [, query = ""] = address.split("?", 2);
  const plain = (name: string): string => name.toLowerCase().replace(/[_-]/g, "");
  const said = new Set(query.split("&").map((setting) => plain(setting.replace(/=.*$/s, "").trim())));
  const missing = Object.entries(defaults).filter(([name]) => !said.has(plain(name)));
  const settings = [...(query === "" ? [] : [query]), ...missing.map(([name, value]) => `${name}=${value}`)];
  return `${address.replace(/\?.*$/s, "")}?${settings.join("&")}`;
};

const connect = (address: string, target: string, onProblem: (error: Error) => void): EventStoreDBClient => {
  nameNoAddresses();
  assertFiles(address, target);
  const warn = (first: string): void => {
    if (first.startsWith('"tlsVerifyCert"'))
      onProblem(new Error("tlsVerifyCert=false is not supported by the client; name the authority in tlsCAFile"));
    else if (!first.includes("KeepAliveInterval"))
      onProblem(new Error(`the event store's address (…@${target}): ${first}`));
  };
  try {
    return heeding(warn, () => EventStoreDBClient.connectionString(address));
  } catch (error) {
    // The client's own message can quote the password.
    throw new Error(`the event store's address (…@${target}) is not of the form esdb://host:port?tls=true|false`, {
      cause: error instanceof Error ? error.name : undefined,
    });
  }
};

/** The client says of a file that is not there neither its name nor what it is for; without TLS it reads none. */
const assertFiles = (address: string, target: string): void => {
  if (/[?&]tls=false/i.test(address)) return;
  for (const [, parameter = "", value = ""] of address.matchAll(
    /[?&]((?:tls_?ca|user_?cert|user_?key)_?file)=([^&]*)/gi,
  ))
    try {
      accessSync(resolve(decodeURIComponent(value)), constants.R_OK);
    } catch (cause) {
      const says = `names a file that cannot be read: ${parameter}=${value} (${messageOf(cause)})`;
      throw new Error(`the event store's address (…@${target}) ${says}`, { cause });
    }
};

/**
 * The client warns on the console: past our log, of a keep-alive shorter than its own, and with the whole address, its
 * password too, in the lines after the first.
 */
const heeding = <A>(onWarning: (firstLine: string) => void, make: () => A): A => {
  /* eslint-disable no-console -- it is where the client warns */
  const { warn } = console;
  console.warn = (text: unknown): void => {
    onWarning(String(text).replace(/\n.*$/s, ""));
  };
  try {
    return make();
  } finally {
    console.warn = warn;
  }
  /* eslint-enable no-console */
};

const internalsOf = (client: EventStoreDBClient): ClientInternals => {
  const internals = client as unknown as ClientInternals;
  if (typeof internals.GRPCStreamCreator !== "function" || typeof internals.callArguments !== "function")
    throw new Error("this version of @eventstore/db-client is not the one that Parley was written for (6.2.1)");
  return internals;
};
