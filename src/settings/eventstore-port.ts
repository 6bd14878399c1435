import { isLoopback } from "../infra/loopback.js";

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
  problems.push(...exposuresOf(wanted));
  return wanted;
};

/** What would let strangers in; no problem quotes the token. */
const exposuresOf = ({ host, writable, token, tls }: EventStorePort): readonly string[] => {
  const problems: string[] = [];
  if (token !== undefined && token.length < eventStoreTokenCharsMin)
    problems.push(
      `PARLEY_EVENTSTORE_TOKEN must have at least ${eventStoreTokenCharsMin} characters (make it with: openssl rand -hex 24)`,
    );
  if (isLoopback(host)) return problems;
  if (token === undefined)
    problems.push(
      `PARLEY_EVENTSTORE_TOKEN is missing; PARLEY_EVENTSTORE_HOST is ${JSON.stringify(host)}, which is not loopback`,
    );
  if (writable && tls === undefined)
    problems.push(
      `PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT are missing; PARLEY_EVENTSTORE_HOST is ${JSON.stringify(host)}, ` +
        "which is not loopback, and anybody who hears the token in plain text could write",
    );
  return problems;
};
