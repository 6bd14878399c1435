import { connect, Events, type ConnectionOptions, type NatsConnection, type Status, type Subscription } from "nats";
import { isIP } from "node:net";
import { StoreUnavailable } from "../../projections/ports/away.js";
import { asError } from "../../lib/errors.js";
import { pause, within } from "../../lib/time.js";

export type Nats = {
  /**
   * Resolves at the first connection, which may be long after the start: NATS may be away then. The same connection
   * lives from then on, through every reconnect. Rejects with StoreUnavailable when `close` came first.
   */
  readonly connection: Promise<NatsConnection>;
  /** The connection, whether it is connected now or not; undefined before the first. */
  readonly current: () => NatsConnection | undefined;
  /** What is published while this is false is lost, and the client says nothing about it; or throws, after `close`. */
  readonly connected: () => boolean;
  /** @throws StoreUnavailable when the server does not answer within two seconds. */
  readonly ping: () => Promise<void>;
  /** Calls the listener after each reconnect: messages may have been lost before. Answers what ends that. */
  readonly onReconnect: (listener: () => void) => () => void;
  /** Sends what is published and hands over what has arrived, for at most two seconds. Repeatable. */
  readonly close: () => Promise<void>;
};

export type NatsOptions = {
  /** nats:// or tls://, with user and password or a token in front of the host; several servers by commas. */
  readonly url: string;
  /** What the server's monitoring calls this connection. */
  readonly name: string;
  /** Told of each loss and of each error of the server, never with the URL: that may hold a password. */
  readonly onProblem: (error: Error) => void;
  readonly onReconnect?: () => void;
};

const answerMs = 2_000;
const reconnectMs = 250;

/**
 * Opens the process's connection to NATS and keeps it for ever: it answers at once, and connects when there is a server.
 *
 * @throws Error for a URL that cannot be read
 */
export const openNats = (options: NatsOptions): Nats => {
  const settings = settingsOf(options);
  const listeners = new Set<() => void>(options.onReconnect === undefined ? [] : [options.onReconnect]);
  let current: NatsConnection | undefined;
  let connected = false;
  let closed: Promise<void> | undefined;

  const noteStatus = (status: Status): void => {
    if (status.type === Events.Disconnect) {
      connected = false;
      if (closed === undefined) options.onProblem(new StoreUnavailable("NATS: disconnected"));
    } else if (status.type === Events.Reconnect) {
      connected = true;
      for (const listener of listeners) guarded(listener, options.onProblem);
    } else if (status.type === Events.Error) {
      options.onProblem(new Error(`NATS: ${JSON.stringify(status.data)}`));
    }
  };

  /** The client's own waiting for the first connection cannot be ended, so the loop stands here. */
  const open = async (): Promise<NatsConnection> => {
    for (let told = false; closed === undefined;) {
      try {
        const connection = await connect(settings);
        current = connection;
        connected = true;
        watch(connection, noteStatus, () => {
          connected = false;
          if (closed === undefined) options.onProblem(new StoreUnavailable("NATS: the connection closed for good"));
        });
        return connection;
      } catch (error) {
        if (!told) options.onProblem(new StoreUnavailable(`NATS: ${messageOf(error)}`, { cause: error }));
        told = true;
        await pause(reconnectMs * (1 + Math.random()));
      }
    }
    throw new StoreUnavailable("NATS: closed before it was connected");
  };
  const connection = open();
  // Callers that need the connection await it; none has to.
  connection.catch(() => undefined);

  return {
    connection,
    current: () => current,
    connected: () => connected && closed === undefined,
    ping: async () => {
      if (current === undefined || !connected) throw new StoreUnavailable("NATS: not connected");
      const answered = await isDone(current.flush(), answerMs);
      if (!answered) throw new StoreUnavailable("NATS: no answer");
    },
    onReconnect: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => (closed ??= end(connection, () => connected)),
  };
};

/**
 * Calls `onMessage` with each message as it arrives; `reply` answers it, and does nothing when the sender wants no
 * answer. A callback that throws would end the client's reading of the socket for ever, so what it throws is told to
 * `onProblem`.
 */
export const listen = (
  connection: NatsConnection,
  subject: string,
  onMessage: (data: Uint8Array, reply: (data: Uint8Array) => void) => void,
  onProblem: (error: Error) => void,
): Subscription =>
  connection.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) {
        onProblem(error);
        return;
      }
      guarded(() => {
        onMessage(message.data, (data) => message.respond(data));
      }, onProblem);
    },
  });

/** Runs a callback; what it throws is told. Answers whether it went well. */
export const guarded = (work: () => void, onProblem: (error: Error) => void): boolean => {
  try {
    work();
    return true;
  } catch (error) {
    onProblem(asError(error));
    return false;
  }
};

/**
 * Milliseconds. A connection that says nothing is noticed within half a minute. Refused credentials are tried again as
 * well: a server that starts may not know its users yet.
 */
const settingsOf = ({ url, name }: NatsOptions): ConnectionOptions => {
  const servers = url.split(",").map((server) => new URL(server.trim()));
  const credentials = servers.find(({ username }) => username !== "");
  return {
    servers: servers.map(({ hostname, port }) => `${hostname}:${port || "4222"}`),
    name,
    ...(credentials === undefined ? {} : credentialsOf(credentials)),
    ...(servers.some(({ protocol }) => protocol === "tls:") ? { tls: checkedAs(servers) } : {}),
    timeout: answerMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectMs,
    reconnectJitter: reconnectMs,
    reconnectJitterTLS: reconnectMs,
    pingInterval: 10_000,
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  };
};

/**
 * The client names no server in its TLS greeting that is an IP address, and Node then checks the certificate against
 * "localhost". One option is for all servers: with several such addresses the certificates need names.
 */
const checkedAs = ([first, ...others]: readonly URL[]): object =>
  first !== undefined && others.length === 0 && isIP(first.hostname) !== 0 ? { host: first.hostname } : {};

const credentialsOf = ({ username, password }: URL): Pick<ConnectionOptions, "token" | "user" | "pass"> =>
  password === ""
    ? { token: decodeURIComponent(username) }
    : { user: decodeURIComponent(username), pass: decodeURIComponent(password) };

const watch = (connection: NatsConnection, onStatus: (status: Status) => void, onClosed: () => void): void => {
  const statuses = async () => {
    for await (const status of connection.status()) onStatus(status);
  };
  statuses().catch(onClosed);
  connection.closed().then(onClosed, onClosed);
};

const end = async (connection: Promise<NatsConnection>, connected: () => boolean): Promise<void> => {
  const opened = await connection.catch(() => undefined);
  if (opened === undefined) return;
  if (connected()) await isDone(opened.drain(), answerMs);
  await opened.close();
};

/** Whether the work was done in that time; work that fails or is late is not waited for. */
const isDone = (work: Promise<unknown>, ms: number): Promise<boolean> =>
  within(
    work.then(
      () => true,
      () => false,
    ),
    ms,
    () => false,
  );

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
