import type { Application, Claims, Connection, GatewayMetrics, HttpRequest } from "./ports.js";
import type { HttpResponse, Logger } from "./ports.js";
import { drain } from "./connections/drain.js";
import { createPages, isOperatorsPage } from "./transport/pages.js";
import type { Hub } from "./connections/hub.js";
import { closeCodes } from "./protocol/codes.js";
import type { Registration } from "./connections/registration.js";
import { createOutboxes, type Outboxes } from "./connections/outbox.js";
import { SocketConnection } from "./connections/socket-connection.js";
import { startTransport, type SocketEvents, type Transport, type TransportOptions } from "./transport/transport.js";
import type { UpgradeAuthenticator } from "./transport/upgrade.js";

export type GatewayConfig = {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly heartbeatIntervalMs: number;
  /** Browser origins that may connect; empty: any, and no CORS. */
  readonly allowedOrigins: readonly string[];
  readonly maxFrameBytes: number;
  /** Waiting frames of one socket; above it the socket is closed with 4508. */
  readonly outboxBytesMax?: number;
  /** How long a closing socket may take to accept what is queued before it is cut. */
  readonly closeGraceMs?: number;
  readonly maxBodyBytes?: number;
  readonly bodyMsMax?: number;
  /** REST calls at work; one more is refused. */
  readonly requestsMax?: number;
  readonly acceptsPerSecondMax?: number;
  readonly acceptsBurstMax?: number;
};

/** `enter`: to be called when the device may come in. From then on frames reach it, and an older connection of it ends. */
export type Opening = { readonly syncToken?: string; readonly enter?: () => void | Promise<void> };

/** What the gateway asks of `dispatch.ts`. Nothing but `opened` and `drain` takes its time; nothing throws. */
export type Dispatching = {
  /** The hub does not know the connection yet: it gets frames, and ends an older one, from `enter` on. */
  readonly opened: (connection: Connection, claims: Claims, options: Opening) => Promise<void>;
  readonly text: (connection: Connection, text: string) => void;
  readonly binary: (connection: Connection) => void;
  readonly closed: (connection: Connection) => void;
  /** Heartbeats and expiring tokens. */
  readonly tick: () => void;
  /** Resolves when everything in flight is answered; may be asked again. */
  readonly drain: () => Promise<void>;
};

export type GatewayDependencies = {
  readonly config: GatewayConfig;
  /** Of the package that runs, for `/healthz`. */
  readonly version: string;
  readonly app: Pick<Application, "readiness">;
  readonly authenticate: UpgradeAuthenticator;
  readonly dispatcher: Dispatching;
  readonly rest: (request: HttpRequest) => Promise<HttpResponse>;
  readonly hub: Hub;
  /** Makes connections known to other gateways, where there are any. */
  readonly registration?: Pick<Registration, "enter" | "leave">;
  readonly metrics: GatewayMetrics;
  readonly metricsText: () => Promise<string>;
  readonly logger: Logger;
};

export type Gateway = {
  readonly url: string;
  readonly port: number;
  /**
   * Readiness off, no new connections and calls, clients told and closed in waves, everything in flight answered, of
   * sockets and of REST: at the latest after `drainMsMax`.
   */
  readonly drain: () => Promise<void>;
  /** Cuts what is left. */
  readonly close: () => Promise<void>;
};

/** Bounds of sockets and HTTP, each with its reason. */
const defaults = {
  /** A thousand frames of a busy conversation; a phone that is 1 MiB behind is served better by a sync. */
  outboxBytesMax: 1024 * 1024,
  /** The largest body is a group with 1,000 participants of 128 characters. */
  maxBodyBytes: 256 * 1024,
  /**
   * Time for a whole body: 8 KB/s are enough for a sync of 1,000 cursors, and few bodies have more than one packet. Less
   * than the 8 s after which the library may cut a connection that brings less than 16 KB/s, without an answer.
   */
  bodyMsMax: 7500,
  /** Bodies being read or answered: 1,024 × 256 KiB at the very worst. */
  requestsMax: 1024,
  /** A refused upload is read on for so long, so that its client sees why. */
  discardedBytesMax: 1024 * 1024,
  discardMsMax: 2000,
  /** Token checks at once: some 100 µs of a core each. */
  upgradesMax: 1024,
  /** A core checks and registers about that many devices a second beside its other work. */
  acceptsPerSecondMax: 2000,
  acceptsBurstMax: 5000,
  closeGraceMs: 5000,
  tickMs: 1000,
} as const;

const defectCode = 1011;

type Live = Set<SocketConnection>;

const waitingBytes = (live: Live): number => {
  let sum = 0;
  for (const { outbox } of live) sum += outbox.bytes();
  return sum;
};

/** Rejects when the port is taken or the socket library has no binary for this Node. */
export const startGateway = async (dependencies: GatewayDependencies): Promise<Gateway> => {
  const { config, app, dispatcher, rest, metrics, metricsText, logger } = dependencies;
  const live: Live = new Set();
  const outboxes = createOutboxes({
    bytesMax: config.outboxBytesMax ?? defaults.outboxBytesMax,
    closeGraceMs: config.closeGraceMs ?? defaults.closeGraceMs,
    metrics,
    onError: (error) => {
      logger.error({ err: error }, "A socket could not be written; it is cut");
    },
  });
  const emptied = createSignal();
  let draining: Promise<void> | undefined;

  const transport = await startTransport({
    ...transportOptions(dependencies),
    http: createPages({
      version: dependencies.version,
      hasSockets: true,
      readiness: app.readiness,
      isDraining: () => draining !== undefined,
      rest,
      metricsText: () => {
        metrics.outboxBytes(waitingBytes(live));
        return metricsText();
      },
    }),
    sockets: socketEvents(dependencies, outboxes, live, () => {
      if (draining !== undefined && live.size === 0) emptied.fire();
    }),
  });
  const ticking = startTicking(dependencies, () => {
    metrics.outboxBytes(waitingBytes(live));
  });

  const startDraining = () => {
    const answered = transport.drain();
    if (live.size === 0) emptied.fire();
    return drain({
      settle: () => Promise.all([dispatcher.drain(), answered]),
      connections: () => [...live],
      emptied: () => emptied.fired,
    });
  };
  return {
    url: urlOf(config.host, transport.port),
    port: transport.port,
    drain: () => (draining ??= startDraining()),
    close: () => close(transport, ticking),
  };
};

const close = (transport: Transport, ticking: NodeJS.Timeout): Promise<void> => {
  clearInterval(ticking);
  transport.close();
  return Promise.resolve();
};

const transportOptions = ({
  config,
  authenticate,
  metrics,
  logger,
}: GatewayDependencies): Omit<TransportOptions<SocketConnection>, "http" | "sockets"> => ({
  host: config.host,
  port: config.port,
  origins: config.allowedOrigins,
  maxFrameBytes: config.maxFrameBytes,
  body: {
    bytesMax: config.maxBodyBytes ?? defaults.maxBodyBytes,
    msMax: config.bodyMsMax ?? defaults.bodyMsMax,
    discardedBytesMax: defaults.discardedBytesMax,
    discardMsMax: defaults.discardMsMax,
  },
  requestsMax: config.requestsMax ?? defaults.requestsMax,
  isAlwaysAnswered: isOperatorsPage,
  acceptRate: {
    concurrentMax: defaults.upgradesMax,
    perSecondMax: config.acceptsPerSecondMax ?? defaults.acceptsPerSecondMax,
    burstMax: config.acceptsBurstMax ?? defaults.acceptsBurstMax,
  },
  authenticate,
  metrics,
  logger,
});

/** One socket's life: made known to the dispatcher, which lets it into the hub before it reads the log's head. */
const socketEvents = (
  { hub, registration, dispatcher, metrics, logger }: GatewayDependencies,
  outboxes: Outboxes,
  live: Live,
  onClosed: () => void,
): SocketEvents<SocketConnection> => ({
  opened: (pipe, { claims, deviceType, syncToken }) => {
    const connection = new SocketConnection(claims, deviceType, outboxes.open(pipe));
    live.add(connection);
    const enter = (): void | Promise<void> => {
      if (!connection.outbox.isOpen()) return;
      const { replaced, reconnect } = hub.register(connection);
      replaced?.close(closeCodes.replaced.code, closeCodes.replaced.reason);
      if (reconnect) metrics.reconnected();
      return registration?.enter(connection);
    };
    metrics.connectionOpened();
    const options = syncToken === undefined ? { enter } : { enter, syncToken };
    dispatcher.opened(connection, claims, options).catch((error: unknown) => {
      logger.error({ err: error, connectionId: connection.connectionId }, "A connection could not be opened");
      connection.close(defectCode, "internal error");
    });
    return connection;
  },
  text: (connection, text) => {
    if (connection.outbox.isOpen()) dispatcher.text(connection, text);
  },
  binary: (connection) => {
    if (connection.outbox.isOpen()) dispatcher.binary(connection);
  },
  oversize: (connection) => {
    connection.close(closeCodes.frameTooLarge.code, closeCodes.frameTooLarge.reason);
  },
  drained: ({ outbox }) => {
    outbox.drained();
  },
  closed: (connection, code) => {
    connection.outbox.closed();
    live.delete(connection);
    hub.unregister(connection);
    registration?.leave(connection);
    metrics.connectionClosed(code);
    onClosed();
    dispatcher.closed(connection);
  },
});

const startTicking = ({ config, dispatcher, logger }: GatewayDependencies, observe: () => void) =>
  setInterval(
    () => {
      try {
        dispatcher.tick();
        observe();
      } catch (error) {
        logger.error({ err: error }, "The gateway's tick failed");
      }
    },
    // A lost heartbeat is noticed within half an interval even where intervals are short, as in tests.
    Math.min(defaults.tickMs, Math.max(50, config.heartbeatIntervalMs / 2)),
  );

const createSignal = () => {
  let fire: () => void = () => undefined;
  const fired = new Promise<void>((resolve) => (fire = resolve));
  return { fired, fire };
};

/** One that a browser on this machine can open: the wildcard addresses are none. */
const urlOf = (host: string, port: number): string => {
  const shown = host === "0.0.0.0" || host === "::" || host === "" ? "127.0.0.1" : host;
  return `http://${shown.includes(":") ? `[${shown}]` : shown}:${port}`;
};
