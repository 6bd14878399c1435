import { Command } from "commander";
import { readConfig, type Flags } from "../infra/profiles/config.js";
import { startEmbedded } from "../infra/profiles/embedded.js";
import { fail } from "./failure.js";

/** How long a stop may take: clients are closed in waves, what is in flight is made durable. */
const stopMsMax = 15_000;

type Options = Flags & { readonly json?: true };

export const serveCommand = new Command("serve")
  .description("Run Parley: one process, one data directory.")
  .option("--host <host>", "address to listen on (PARLEY_HOST; default 127.0.0.1)")
  .option("--port <port>", "port to listen on, 0 for a free one (PARLEY_PORT; default 8080)")
  .option("--data <dir>", "where everything is kept (PARLEY_DATA; default ./data)")
  .option("--log-level <level>", "silent, error, warn, info or debug (PARLEY_LOG_LEVEL; default info)")
  .option("--heartbeat <seconds>", "how often clients say that they live (PARLEY_HEARTBEAT; default 30)")
  .option("--seal <on|off>", "encrypt content in the log (PARLEY_SEAL; default on)")
  .option("--group-members-max <count>", "members of a group (PARLEY_GROUP_MEMBERS_MAX; default 1024)")
  .option("--home <name>", "name of this cell, kept in first events (PARLEY_HOME; default main)")
  .option("--json", "print one line of JSON when listening, nothing else")
  .addHelpText(
    "after",
    `
The token secret is PARLEY_TOKEN_SECRET, else the file token.secret in the data directory, which the first start makes.
PARLEY_ALLOWED_ORIGINS: origins of browsers that may connect, separated by commas; empty allows all without CORS.
PARLEY_JWKS_URL, PARLEY_JWT_ISSUER, PARLEY_JWT_AUDIENCE: an identity provider whose tokens (RS256, ES256, EdDSA) are
taken beside those of the shared secret.
SIGTERM or SIGINT end it cleanly: clients are told to reconnect, everything acknowledged is on disk anyway.`,
  )
  .action(async ({ json, ...flags }: Options) => {
    try {
      await serve(flags, json === true);
    } catch (error) {
      fail(error);
    }
  });

const serve = async (flags: Flags, json: boolean): Promise<void> => {
  const config = readConfig(flags, process.env);
  const stopping = onSignals(json);
  const app = await startEmbedded(config);
  process.stdout.write(
    json ? `${JSON.stringify({ event: "listening", url: app.url })}\n` : welcome(app.url, config.dataDir),
  );
  void stopping.then(() => app.stop()).then(() => process.exit(0), fail);
  void app.failed.then((error) => fail(`${error.message}. Nothing acknowledged is lost; start Parley again.`));
};

/** Resolves at the first signal, also one that comes while Parley starts; further ones change nothing. */
const onSignals = (quiet: boolean): Promise<void> =>
  new Promise((resolve) => {
    let told = false;
    const stop = (signal: string): void => {
      if (told) return;
      told = true;
      if (!quiet) process.stderr.write(`${signal}: stopping\n`);
      setTimeout(() => fail(`not stopped after ${stopMsMax / 1_000} s; leaving`), stopMsMax).unref();
      resolve();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });

const welcome = (url: string, dataDir: string): string => `Parley listens on ${url}, its data are in ${dataDir}.

Try next, in another terminal:
  npx parley token --user alice --device laptop --data ${dataDir}     prints a token for alice's laptop
  curl -s ${url}/readyz                                    says whether all is well
The README's five-minute tour goes on from there.
`;
