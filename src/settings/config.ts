import { E, t } from "../domain/kernel/fp.js";
import { userIdCodec } from "../domain/kernel/ids.js";
import { limits } from "../domain/kernel/limits.js";
import type { LogLevel } from "../infra/telemetry.js";
import type { SodiumChoice } from "../infra/text-cipher/open.js";
import { givenCell, type Given, type OldName } from "./cell.js";
import { readTreeSettings, treeVariables, type TreeSettings } from "./tree.js";
import { readEventStorePort, type EventStorePort } from "./eventstore-port.js";

/** Everything that can be set, from the command line or the environment; the command line wins. */
export type Config = {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly heartbeatSeconds: number;
  readonly seal: boolean;
  /** What seals and opens: native where it loads, or WASM. */
  readonly sodium: SodiumChoice;
  /** The cell's name, with the characters of a user id, written into the first event of conversations and users. */
  readonly cell: string;
  /** Settings that the operator gave by the name that they had before. */
  readonly oldNames: readonly OldName[];
  readonly allowedOrigins: readonly string[];
  /** Members of one group. */
  readonly groupMembersMax: number;
  /** Messages of one user in a minute; 0: no limit. */
  readonly messagesPerMinute: number;
  /** Changes of one user by REST in a minute; 0: no limit. */
  readonly changesPerMinute: number;
  /** Conversations an hour whose rows are compared with the log; 0: none. */
  readonly reconcileSample: number;
  /** Where EventStoreDB's clients read the log; absent: nowhere. */
  readonly eventStorePort?: EventStorePort;
  readonly tree: TreeSettings;
  /** An identity provider whose tokens the gateway takes as well. */
  readonly jwks?: { readonly url: string; readonly issuer?: string; readonly audience?: string };
};

const number = (name: string, min: number, max: number, whole: boolean) => {
  const is = (value: unknown): value is number =>
    typeof value === "number" && value >= min && value <= max && (!whole || Number.isInteger(value));
  const read = (value: unknown) => (typeof value === "string" && value.trim() !== "" ? Number(value) : value);
  return new t.Type<number, number, unknown>(
    `a ${whole ? "whole " : ""}number from ${min} to ${max}`,
    is,
    (value, context) => {
      const parsed = read(value);
      return is(parsed) ? t.success(parsed) : t.failure(value, context, name);
    },
    t.identity,
  );
};

const text = new t.Type<string, string, unknown>(
  "a text that is not empty",
  (value): value is string => typeof value === "string" && value !== "",
  (value, context) => (typeof value === "string" && value !== "" ? t.success(value) : t.failure(value, context)),
  t.identity,
);

/** Setting → its codec, its environment variable, its default. The only list of settings. */
const settings = {
  host: { codec: text, variable: "PARLEY_HOST", otherwise: "127.0.0.1" },
  port: { codec: number("port", 0, 65_535, true), variable: "PARLEY_PORT", otherwise: "8080" },
  data: { codec: text, variable: "PARLEY_DATA", otherwise: "./data" },
  logLevel: {
    codec: t.keyof(
      { silent: null, error: null, warn: null, info: null, debug: null },
      "silent, error, warn, info or debug",
    ),
    variable: "PARLEY_LOG_LEVEL",
    otherwise: "info",
  },
  heartbeat: { codec: number("heartbeat", 0.1, 3_600, false), variable: "PARLEY_HEARTBEAT", otherwise: "30" },
  seal: { codec: t.keyof({ on: null, off: null }, "on or off"), variable: "PARLEY_SEAL", otherwise: "on" },
  sodium: { codec: t.keyof({ auto: null, wasm: null }, "auto or wasm"), variable: "PARLEY_SODIUM", otherwise: "auto" },
  cell: { codec: userIdCodec, variable: "PARLEY_CELL", otherwise: "main" },
  groupMembersMax: {
    codec: number("groupMembersMax", 2, 100_000, true),
    variable: "PARLEY_GROUP_MEMBERS_MAX",
    otherwise: String(limits.groupMembersMax),
  },
  messagesPerMinute: {
    codec: number("messagesPerMinute", 0, 1_000_000, true),
    variable: "PARLEY_MESSAGES_PER_MINUTE",
    otherwise: "0",
  },
  // A hundred a second, a thousand at once: nobody does that by hand, a program that makes everybody's groups may, and a
  // loop that has gone wild has a fiftieth of what one core accepts.
  changesPerMinute: {
    codec: number("changesPerMinute", 0, 1_000_000, true),
    variable: "PARLEY_CHANGES_PER_MINUTE",
    otherwise: "6000",
  },
  reconcileSample: {
    codec: number("reconcileSample", 0, 100_000, true),
    variable: "PARLEY_RECONCILE_SAMPLE",
    otherwise: "0",
  },
  eventstorePort: {
    codec: t.union([t.literal("off"), number("eventstorePort", 0, 65_535, true)], "a port from 0 to 65535, or off"),
    variable: "PARLEY_EVENTSTORE_PORT",
    otherwise: "off",
  },
  eventstoreHost: { codec: text, variable: "PARLEY_EVENTSTORE_HOST", otherwise: "127.0.0.1" },
  eventstoreWritable: {
    codec: t.keyof({ on: null, off: null }, "on or off"),
    variable: "PARLEY_EVENTSTORE_WRITABLE",
    otherwise: "off",
  },
} as const;

/** Settings that the environment alone gives. */
const unflagged = [
  ...["PARLEY_PROFILE", "PARLEY_ALLOWED_ORIGINS", "PARLEY_TOKEN_SECRET"],
  ...["PARLEY_MASTER_KEY", "PARLEY_MASTER_KEYS_ALSO", "PARLEY_ERASURE_LEDGER"],
  ...["PARLEY_JWKS_URL", "PARLEY_JWT_ISSUER", "PARLEY_JWT_AUDIENCE"],
  ...["PARLEY_EVENTSTORE_TOKEN", "PARLEY_EVENTSTORE_TLS_KEY", "PARLEY_EVENTSTORE_TLS_CERT"],
  ...treeVariables,
];
export const embeddedVariables: readonly string[] = [
  ...Object.values(settings).map(({ variable }) => variable),
  ...unflagged,
];

/** `home`: what `cell` was called before. */
export type Flags = Readonly<Partial<Record<keyof typeof settings | "home", string>>>;

export class BadConfig extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "BadConfig";
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

const givenOf = (name: keyof typeof settings, flags: Flags, environment: Environment): Given => {
  const { variable, otherwise } = settings[name];
  const flag = flags[name];
  if (flag === undefined) return { source: variable, value: environment[variable] ?? otherwise };
  return { source: `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, value: flag };
};

const decoded = <A>(codec: t.Type<A, unknown>, { source, value }: Given, problems: string[]): A | undefined => {
  const result = codec.decode(value);
  if (E.isRight(result)) return result.right;
  problems.push(`${source} is ${JSON.stringify(value)}; it must be ${codec.name}`);
  return undefined;
};

/**
 * The data directory, for whatever looks into one: that of `parley serve` with the same flag and environment.
 *
 * @throws BadConfig when it is empty, with the name of the flag or variable
 */
export const dataDirOf = ({ data }: Pick<Flags, "data">, environment: Environment): string => {
  const problems: string[] = [];
  const dir = decoded(settings.data.codec, givenOf("data", data === undefined ? {} : { data }, environment), problems);
  if (dir === undefined) throw new BadConfig(problems);
  return dir;
};

/** For whatever opens texts of a data directory. A value that is wrong is as if it were not set: it keeps nothing closed. */
export const sodiumOf = ({ PARLEY_SODIUM: given }: Environment): SodiumChoice => (given === "wasm" ? "wasm" : "auto");

/** @throws BadConfig naming each setting that is wrong, where it came from and what it should be */
export const readConfig = (flags: Flags, environment: Environment): Config => {
  const problems: string[] = [];
  const read = <A>(
    name: keyof typeof settings,
    codec: t.Type<A, unknown>,
    given = givenOf(name, flags, environment),
  ): A | undefined => decoded(codec, given, problems);
  const host = read("host", settings.host.codec);
  const port = read("port", settings.port.codec);
  const dataDir = read("data", settings.data.codec);
  const logLevel = read("logLevel", settings.logLevel.codec);
  const heartbeatSeconds = read("heartbeat", settings.heartbeat.codec);
  const seal = read("seal", settings.seal.codec);
  const sodium = read("sodium", settings.sodium.codec);
  const { given, oldNames, problems: contradictions } = givenCell(flags, environment);
  problems.push(...contradictions);
  const cell = read("cell", settings.cell.codec, given);
  const groupMembersMax = read("groupMembersMax", settings.groupMembersMax.codec);
  const messagesPerMinute = read("messagesPerMinute", settings.messagesPerMinute.codec);
  const changesPerMinute = read("changesPerMinute", settings.changesPerMinute.codec);
  const reconcileSample = read("reconcileSample", settings.reconcileSample.codec);
  const eventStorePort = readEventStorePort(
    {
      host: read("eventstoreHost", settings.eventstoreHost.codec),
      port: read("eventstorePort", settings.eventstorePort.codec),
      writable: read("eventstoreWritable", settings.eventstoreWritable.codec),
    },
    environment,
    problems,
  );
  const tree = readTreeSettings(environment, problems);
  const jwks = readJwks(environment, problems);
  const allowedOrigins = readOrigins(environment, problems);
  if (
    !host ||
    port === undefined ||
    !dataDir ||
    !logLevel ||
    heartbeatSeconds === undefined ||
    !seal ||
    !sodium ||
    !cell ||
    !groupMembersMax ||
    messagesPerMinute === undefined ||
    changesPerMinute === undefined ||
    reconcileSample === undefined ||
    problems.length > 0
  )
    throw new BadConfig(problems);
  return {
    host,
    port,
    dataDir,
    logLevel,
    heartbeatSeconds,
    sodium,
    seal: seal === "on",
    cell,
    oldNames,
    groupMembersMax,
    messagesPerMinute,
    changesPerMinute,
    reconcileSample,
    ...(eventStorePort === undefined ? {} : { eventStorePort }),
    tree,
    ...(jwks === undefined ? {} : { jwks }),
    allowedOrigins,
  };
};

const readOrigins = (
  { PARLEY_ALLOWED_ORIGINS: text = "" }: Readonly<Record<string, string | undefined>>,
  problems: string[],
): readonly string[] => {
  const origins = text.split(",").map((origin) => origin.trim());
  const given = origins.filter((origin) => origin !== "");
  for (const origin of given)
    if (!isOrigin(origin))
      problems.push(
        `PARLEY_ALLOWED_ORIGINS has ${JSON.stringify(origin)}; an origin is like https://chat.example.org, as browsers send it: without a path or a slash at its end`,
      );
  return given;
};

/** As browsers send it. Of schemes that applications have for themselves (capacitor://localhost) URL knows no origin. */
const isOrigin = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { origin } = new URL(text);
  return origin === text || (origin === "null" && /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/.test(text));
};

/** The environment alone gives it: no operator chooses an identity provider from one start to the next. */
const readJwks = (environment: Environment, problems: string[]): Config["jwks"] | undefined => {
  const { PARLEY_JWKS_URL: url, PARLEY_JWT_ISSUER: issuer, PARLEY_JWT_AUDIENCE: audience } = environment;
  if (url === undefined || url === "") {
    if (issuer) problems.push("PARLEY_JWT_ISSUER needs PARLEY_JWKS_URL: Parley checks nothing by it alone");
    if (audience) problems.push("PARLEY_JWT_AUDIENCE needs PARLEY_JWKS_URL: Parley checks nothing by it alone");
    return undefined;
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // The problem does not quote the value, which may hold a password; `fetch` would refuse such a URL, and quote it.
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.username + parsed.password !== "")
    problems.push("PARLEY_JWKS_URL must be an http or https URL without a user and a password");
  return { url, ...(issuer ? { issuer } : {}), ...(audience ? { audience } : {}) };
};
