import { Command, Option } from "commander";
import { stopMsMax, type App } from "../profiles/app.js";
import { distributedVariablesHelp, readDistributedConfig } from "../settings/distributed.js";
import { BadConfig, readConfig, type Flags } from "../settings/config.js";
import { fail, stopped } from "./failure.js";
import { version } from "./version.js";

type Options = Flags & {
  readonly json?: boolean;
  readonly profile: "embedded" | "distributed";
  readonly role?: string;
};

export const serveCommand = new Command("serve")
  .description("Run Parley: one process with one data directory, or one of many processes over servers.")
  .addOption(
    new Option("--profile <profile>", "embedded: one process, no server; distributed: over servers (PARLEY_PROFILE)")
      .choices(["embedded", "distributed"])
      .env("PARLEY_PROFILE")
      .default("embedded"),
  )
  .option("--role <role>", "of the distributed profile: gateway, projector or all (PARLEY_ROLE; default all)")
  .option("--host <host>", "address to listen on (PARLEY_HOST; default 127.0.0.1)")
  .option("--port <port>", "port to listen on, 0 for a free one (PARLEY_PORT; default 8080)")
  .option("--data <dir>", "where everything is kept (PARLEY_DATA; default ./data)")
  .option("--log-level <level>", "silent, error, warn, info or debug (PARLEY_LOG_LEVEL; default info)")
  .option("--heartbeat <seconds>", "how often clients say that they live (PARLEY_HEARTBEAT; default 30)")
  .option("--seal <on|off>", "encrypt content in the log (PARLEY_SEAL; default on)")
  .option("--group-members-max <count>", "members of a group (PARLEY_GROUP_MEMBERS_MAX; default 1024)")
  .option(
    "--messages-per-minute <count>",
    "messages, edits, deletions and reactions of one user, 0 for no limit (PARLEY_MESSAGES_PER_MINUTE; default 0)",
  )
  .option(
    "--reconcile-sample <count>",
    "conversations an hour whose rows are compared with the log, 0 for none (PARLEY_RECONCILE_SAMPLE; default 0)",
  )
  .option(
    "--changes-per-minute <count>",
    "changes of one user by REST, 0 for no limit (PARLEY_CHANGES_PER_MINUTE; default 6000)",
  )
  .option("--cell <name>", "name of this cell, kept in first events (PARLEY_CELL; default main)")
  .addOption(new Option("--home <name>", "what --cell was called before").hideHelp())
  .option(
    "--eventstore-port <port>",
    "serve the log to EventStoreDB's clients on this port (PARLEY_EVENTSTORE_PORT; default off)",
  )
  .option("--eventstore-host <host>", "address of that port (PARLEY_EVENTSTORE_HOST; default 127.0.0.1)")
  .addOption(
    new Option(
      "--eventstore-writable [on|off]",
      "whether those clients may append (PARLEY_EVENTSTORE_WRITABLE; default off)",
    ).preset("on"),
  )
  .option("--json", "print one line of JSON when listening, nothing else")
  .addHelpText(
    "after",
    `
The token secret is PARLEY_TOKEN_SECRET, else the file token.secret in the data directory, which the first start makes.
Of the embedded profile PARLEY_MASTER_KEY wraps the data keys, else the file master.key there, made in the same way.
PARLEY_TREE_HEAD_EVENTS, PARLEY_TREE_HEAD_SECONDS: how often the log's tree is signed (docs/AUDIT.md).
PARLEY_TREE_WITNESS_FILE, PARLEY_TREE_WITNESS_URL: where its heads are told outside. PARLEY_TREE_WITNESS_S3_URL: also put
into a bucket with object lock, PARLEY_TREE_WITNESS_S3_BUCKET, with PARLEY_TREE_WITNESS_S3_ACCESS_KEY and
PARLEY_TREE_WITNESS_S3_SECRET_KEY, in PARLEY_TREE_WITNESS_S3_REGION (us-east-1), locked for PARLEY_TREE_WITNESS_S3_DAYS,
PARLEY_TREE_WITNESS_S3_MODE: compliance (default) or governance.
PARLEY_ERASURE_LEDGER: where it stands who was erased, better on another disk; else erasures.ndjson in the data directory, of
the distributed profile a database.
PARLEY_ALLOWED_ORIGINS: origins of browsers that may connect, separated by commas; empty allows all without CORS.
PARLEY_JWKS_URL, PARLEY_JWT_ISSUER, PARLEY_JWT_AUDIENCE: an identity provider whose tokens (RS256, ES256, EdDSA) are
taken beside those of the shared secret.
PARLEY_SODIUM: auto (default): sealing by the native libsodium where it loads, else by WASM; wasm: by WASM in any case.
PARLEY_EVENTSTORE_TOKEN: what EventStoreDB's clients need, as the password of any user; without it the port is for
loopback only. PARLEY_EVENTSTORE_TLS_KEY, PARLEY_EVENTSTORE_TLS_CERT: PEM files; without them the port speaks plaintext,
over which EventStoreDB's JavaScript client sends no password.

Variables of the distributed profile, the same in every process but for the role (docs/OPERATIONS.md says more):
${distributedVariablesHelp()}

SIGTERM or SIGINT end it cleanly: clients are told to reconnect, everything acknowledged is on disk anyway.
Exit code: 0 it was told to stop, 1 it cannot start or cannot go on, 2 wrong usage or settings.`,
  )
  .action(async (options: Options) => {
    try {
      await serve(options);
    } catch (error) {
      // It was told to end before it had opened anything: that is no failure.
      if (error instanceof Error && error.name === "StoppedWhileStarting") process.exit(0);
      fail(error);
    }
  });

const serve = async ({ json = false, profile, role, ...flags }: Options): Promise<void> => {
  const start = starterOf(profile, role, flags);
  const signals = onSignals(json);
  const { app, said, where } = await start(signals.stop);
  process.stdout.write(
    json ? `${JSON.stringify({ event: "listening", url: app.url, eventstoreUrl: app.eventStoreUrl })}\n` : said,
  );
  void signals.told.then(() => app.stop()).then(() => process.exit(0), fail);
  void app.failed.then((error) => fail(stopped(error, where)));
};

/** `where`: what it writes to. */
type Started = { readonly app: App; readonly said: string; readonly where: string };

/** Reads the settings at once, so that what is wrong with them is said before anything is opened. */
const starterOf = (
  profile: Options["profile"],
  role: string | undefined,
  flags: Flags,
): ((stop: AbortSignal) => Promise<Started>) => {
  if (profile === "embedded") {
    if (role !== undefined) throw new BadConfig(["--role is of the distributed profile; add --profile distributed"]);
    const config = readConfig(flags, process.env);
    return async () => {
      const { startEmbedded } = await import("../profiles/embedded.js");
      const app = await startEmbedded(config, version);
      return { app, said: welcome(app, config.dataDir), where: config.dataDir };
    };
  }
  const config = readDistributedConfig(role === undefined ? flags : { ...flags, role }, process.env);
  return async (stop) => {
    // Loaded when they are wanted: the drivers of all engines take most of a command's second.
    const { startDistributed } = await import("../profiles/distributed.js");
    const app = await startDistributed(config, version, stop);
    return {
      app,
      said: `Parley ${version} (${config.role}, ${config.processId}) listens on ${app.url}\n`,
      where: "the engines",
    };
  };
};

/**
 * `told` resolves at the first signal, also one that comes while Parley starts, and `stop` is aborted; further ones change
 * nothing.
 */
const onSignals = (quiet: boolean): { readonly told: Promise<void>; readonly stop: AbortSignal } => {
  const stopping = new AbortController();
  const told = new Promise<void>((resolve) => {
    const onSignal = (signal: string): void => {
      if (stopping.signal.aborted) return;
      if (!quiet) process.stderr.write(`${signal}: stopping\n`);
      setTimeout(() => fail(`not stopped after ${stopMsMax / 1_000} s; leaving`), stopMsMax).unref();
      stopping.abort();
      resolve();
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
  return { told, stop: stopping.signal };
};

const welcome = (
  { url, eventStoreUrl }: App,
  dataDir: string,
): string => `Parley ${version} listens on ${url}, its data are in ${dataDir}.${
  eventStoreUrl === undefined ? "" : `\nEventStoreDB's clients read its log at ${eventStoreUrl}`
}

Try next, in another terminal:
  npx parley token --user alice --device laptop --data ${dataDir}     prints a token for alice's laptop
  curl -s ${url}/readyz                                    says whether all is well
The README's five-minute tour goes on from there.
`;
