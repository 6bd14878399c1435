import { exposuresOf } from "../infra/loopback.js";

/** Where EventStoreDB's clients read the log. */
export type EventStorePort = {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly writable: boolean;
  /** Clients send it with every call; undefined on loopback only. */
  readonly token?: string;
  /** Files in PEM form. */
  readonly tls?: { readonly keyFile: string; readonly certFile: string };
};

/** A client that reaches the port may guess as often as it likes. */
const eventStoreTokenCharsMin = 16;

/**
 * Undefined where it is off; what is wrong is added to `problems`. The environment alone gives the token and the files of
 * TLS: every user of the machine sees command lines.
 */
export const readEventStorePort = (
  read: {
    readonly host: string | undefined;
    readonly port: number | "off" | undefined;
    readonly writable: "on" | "off" | undefined;
  },
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): EventStorePort | undefined => {
  const { host, port, writable } = read;
  if (host === undefined || port === undefined || port === "off") return undefined;
  const { PARLEY_EVENTSTORE_TOKEN: token, PARLEY_EVENTSTORE_TLS_KEY: keyFile } = environment;
  const certFile = environment.PARLEY_EVENTSTORE_TLS_CERT;
  if (!keyFile !== !certFile)
    problems.push("PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT belong together: set both or none");
  const wanted: EventStorePort = {
    host,
    port,
    writable: writable === "on",
    ...(token ? { token } : {}),
    ...(keyFile && certFile ? { tls: { keyFile, certFile } } : {}),
  };
  problems.push(...problemsOf(wanted));
  return wanted;
};

/** What would let strangers in; no problem quotes the token. */
const problemsOf = (wanted: EventStorePort): readonly string[] => {
  const where = `PARLEY_EVENTSTORE_HOST is ${JSON.stringify(wanted.host)}, which is not loopback`;
  const exposures = {
    noToken: `PARLEY_EVENTSTORE_TOKEN is missing; ${where}`,
    tokenInPlainText:
      `PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT are missing; ${where}, ` +
      "and anybody who hears the token in plain text could write",
  };
  const isShort = wanted.token !== undefined && wanted.token.length < eventStoreTokenCharsMin;
  return [
    ...(isShort
      ? [
          `PARLEY_EVENTSTORE_TOKEN must have at least ${eventStoreTokenCharsMin} characters (make it with: openssl rand -hex 24)`,
        ]
      : []),
    ...exposuresOf(wanted).map((exposure) => exposures[exposure]),
  ];
};
