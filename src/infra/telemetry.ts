import { pino, stdTimeFunctions, type DestinationStream } from "pino";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { GatewayMetrics, Logger } from "../gateway/ports.js";
import { labelledCounter, plainCounter, type LabelledCount } from "./metrics/counters.js";
import { createGatewayMetrics } from "./metrics/gateway-metrics.js";
import { readGauge, readGaugeBy, sourceGauges, type TelemetrySources } from "./metrics/gauges.js";

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
  readonly counter: (name: string, help: string, labelNames?: readonly string[]) => LabelledCount;
  /** Another figure, read at a scrape. */
  readonly gauge: (name: string, help: string, read: () => number) => void;
  /** Another figure for each of several things, by a label's value. */
  readonly gaugeBy: (name: string, help: string, label: string, read: () => Readonly<Record<string, number>>) => void;
};

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
  const metrics = createGatewayMetrics(registry);
  const observe = sourceGauges(registry);
  return {
    version,
    metrics,
    observe,
    metricsText: () => registry.metrics(),
    counter: (name, help, labelNames = []) =>
      labelNames.length === 0 ? plainCounter(registry, name, help) : labelledCounter(registry, name, help, labelNames),
    gauge: (name, help, read) => {
      readGauge(registry, name, help, read);
    },
    gaugeBy: (name, help, label, read) => {
      readGaugeBy(registry, name, help, label, read);
    },
  };
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
