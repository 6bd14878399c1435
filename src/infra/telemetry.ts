import { within } from "../lib/time.js";
import { pino, stdTimeFunctions, type DestinationStream } from "pino";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { closeCodes, type GatewayMetrics, type Logger } from "../gateway/ports.js";

export type Telemetry = {
  /** Of the package that runs. */
  readonly version: string;
  readonly metrics: GatewayMetrics;
  /** Prometheus' text format, read at this moment. */
  readonly metricsText: () => Promise<string>;
  /**
   * Says where the figures of the log and the projections are read at a scrape; the last call counts. Figures
   * that cannot be read within two seconds are left out of the answer.
   */
  readonly observe: (sources: TelemetrySources) => void;
  /** Another counter: adds at once, is read at a scrape. A value for each of at most two labels. */
  readonly counter: (
    name: string,
    help: string,
    labelNames?: readonly string[],
  ) => (by: number, first?: string, second?: string) => void;
  /** Another figure, read at a scrape. */
  readonly gauge: (name: string, help: string, read: () => number) => void;
  /** Another figure for each of several things, by a label's value. */
  readonly gaugeBy: (name: string, help: string, label: string, read: () => Readonly<Record<string, number>>) => void;
};

export type TelemetrySources = {
  /** Appends that wait for their commit. */
  readonly logQueueDepth: () => number;
  readonly logHead: () => number | Promise<number>;
  /** How far each projection has come. `lagEvents`: events between it and the head. */
  readonly projections: () => readonly ProjectionFigures[] | Promise<readonly ProjectionFigures[]>;
};
export type ProjectionFigures = { readonly name: string; readonly position: number; readonly lagEvents: number };

/**
 * The hot path adds to plain numbers; they become Prometheus' at a scrape. Its own registry: two gateways in
 * one process, as in tests, do not share figures. `version`: what /healthz and `parley_build_info` say.
 */
export const createTelemetry = (version: string): Telemetry => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "parley_build_info",
    help: "1; its label is the version that runs.",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version }, 1);
  const metrics = gatewayMetrics(registry);
  const observe = sourceGauges(registry);
  return {
    version,
    metrics,
    observe,
    metricsText: () => registry.metrics(),
    counter: (name, help, labelNames = []) => readableCounter(registry, name, help, labelNames).add,
    gauge: (name, help, read) => {
      readGauge(registry, name, help, read);
    },
    gaugeBy: (name, help, label, read) => {
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers: [registry],
        collect() {
          for (const [value, figure] of Object.entries(read())) this.set({ [label]: value }, figure);
        },
      });
    },
  };
};

const gatewayMetrics = (registry: Registry): GatewayMetrics => {
  const counter = (name: string, help: string) => readableCounter(registry, name, help, []);
  const opened = counter("parley_connections_total", "WebSocket connections opened.");
  const reconnects = counter("parley_reconnects_total", "Connections of devices that were connected before.");
  const heartbeats = counter("parley_heartbeat_failures_total", "Connections closed for missing heartbeats.");
  const queued = counter("parley_outbox_frames_total", "Frames queued for sockets.");
  const dropped = counter("parley_outbox_dropped_frames_total", "Frames in outboxes closed for being slow.");
  const shed = counter("parley_outbox_shed_frames_total", "Typing and presence that slow sockets were spared.");
  const typingShed = counter("parley_typing_shed_total", "Typing of which nobody was told: too much was being read.");
  const closed = readableCounter(registry, "parley_connections_closed_total", "By close code.", ["code"]);
  const failures = readableCounter(registry, "parley_authentication_failures_total", "Tokens refused.", ["where"]);
  const requests = readableCounter(registry, "parley_requests_total", "By type and outcome.", ["type", "outcome"]);
  const outboxBytes = readableGauge(registry, "parley_outbox_bytes", "Bytes that wait for sockets.");
  const connections = readableGauge(registry, "parley_connections", "WebSocket connections now.");
  const latency = new Histogram({
    name: "parley_send_latency_seconds",
    help: "From a message's arrival to its durable acknowledgement.",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  return {
    connectionOpened: () => {
      opened.add(1);
      connections.set(connections.get() + 1);
    },
    reconnected: () => {
      reconnects.add(1);
    },
    connectionClosed: (code) => {
      connections.set(connections.get() - 1);
      closed.add(1, isOurCode(code) ? String(code) : "other");
    },
    authenticationFailed: (where) => {
      failures.add(1, where);
    },
    heartbeatFailed: () => {
      heartbeats.add(1);
    },
    sendLatency: (seconds) => {
      latency.observe(seconds);
    },
    request: (type, outcome) => {
      requests.add(1, type, outcome);
    },
    framesQueued: (count) => {
      queued.add(count);
    },
    framesDropped: (count) => {
      dropped.add(count);
    },
    framesShed: (count) => {
      shed.add(count);
    },
    typingShed: () => {
      typingShed.add(1);
    },
    outboxBytes: outboxBytes.set,
  };
};

/** A client may close with any code from 3000 on: only those that mean something get a series of their own. */
const isOurCode = (code: number): boolean => (code >= 1000 && code <= 1015) || meaningful.has(code);
const meaningful: ReadonlySet<number> = new Set(Object.values(closeCodes).map(({ code }) => code));

/** Distinct label values of one counter: a name that a client chose must not fill the memory. */
const seriesMax = 500;

/** A plain number for each series, by its first and second label's value; read when scraped. */
const readableCounter = (registry: Registry, name: string, help: string, labelNames: readonly string[]) => {
  const series = new Map<string, Map<string, number>>();
  let count = 0;
  const add = (by: number, first = "", second = ""): void => {
    const inner = series.get(first);
    const before = inner?.get(second);
    if (inner !== undefined && before !== undefined) {
      inner.set(second, before + by);
    } else if (count >= seriesMax && first !== "other") {
      add(by, "other", labelNames.length > 1 ? "other" : "");
    } else {
      count++;
      series.set(first, (inner ?? new Map<string, number>()).set(second, by));
    }
  };
  if (labelNames.length === 0) add(0);
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const [first, inner] of series)
        for (const [second, value] of inner) this.inc(labelsOf(labelNames, [first, second]), value);
    },
  });
  return { add };
};

const labelsOf = (names: readonly string[], values: readonly string[]) =>
  Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));

const readGauge = (registry: Registry, name: string, help: string, read: () => number): void => {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
};

const readableGauge = (registry: Registry, name: string, help: string) => {
  let value = 0;
  readGauge(registry, name, help, () => value);
  return {
    get: () => value,
    set: (now: number): void => {
      value = now;
    },
  };
};

const sourceGauges = (registry: Registry): Telemetry["observe"] => {
  let sources: TelemetrySources | undefined;
  const gauge = (name: string, help: string, read: (from: TelemetrySources) => number | Promise<number>) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const value = sources === undefined ? 0 : await readable(read(sources));
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  const projectionGauge = (name: string, help: string, read: (figures: ProjectionFigures) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["projection"],
      registers: [registry],
      async collect() {
        const all = sources === undefined ? [] : await readable(sources.projections());
        this.reset();
        for (const figures of all ?? []) this.set({ projection: figures.name }, read(figures));
      },
    });
  gauge("parley_log_queue_depth", "Appends that wait for their commit.", (from) => from.logQueueDepth());
  gauge("parley_log_head_position", "Position of the log's last event.", (from) => from.logHead());
  projectionGauge("parley_projection_position", "Position that a projection has reached.", (each) => each.position);
  projectionGauge("parley_projection_lag_events", "Events behind the log's head.", (each) => each.lagEvents);
  return (next) => {
    sources = next;
  };
};

/** All of them are read at once, and Prometheus gives a scrape up after ten seconds by default. */
const readableMsMax = 2_000;

/** Undefined when the store that knows it is away: an outage must not hide all other figures. */
const readable = async <A>(value: A | Promise<A>): Promise<A | undefined> => {
  try {
    return await within(Promise.resolve(value), readableMsMax, () => undefined);
  } catch {
    return undefined; // readiness and the engine's own metrics say what is wrong
  }
};

export const logLevels = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/** JSON lines on stderr: stdout belongs to the CLI's answer. Written at once, so that the last words of a crash are there. */
export const createLogger = (
  level: LogLevel,
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
): Logger =>
  pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: secretPaths, censor: "[redacted]" },
    },
    destination,
  );

/** Tokens and keys must not reach a log, whichever caller hands in an object that has one. */
const secretNames = ["token", "authorization", "secret", "password", "cookie", "query"];
const secretPaths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.headers.${name}`]);
