import type { Registry } from "prom-client";
import { closeCodes, type GatewayMetrics } from "../../gateway/ports.js";
import { labelledCounter, plainCounter } from "./counters.js";
import { readGauge } from "./gauges.js";
import { plainHistogram } from "./histogram.js";

/** In this order they stand in the scrape. */
export const createGatewayMetrics = (registry: Registry): GatewayMetrics => {
  const counter = (name: string, help: string) => plainCounter(registry, name, help);
  const opened = counter("parley_connections_total", "WebSocket connections opened.");
  const reconnects = counter("parley_reconnects_total", "Connections of devices that were connected before.");
  const heartbeats = counter("parley_heartbeat_failures_total", "Connections closed for missing heartbeats.");
  const queued = counter("parley_outbox_frames_total", "Frames queued for sockets.");
  const dropped = counter("parley_outbox_dropped_frames_total", "Frames in outboxes closed for being slow.");
  const shed = counter("parley_outbox_shed_frames_total", "Typing and presence that slow sockets were spared.");
  const typingShed = counter("parley_typing_shed_total", "Typing of which nobody was told: too much was being read.");
  const closed = labelledCounter(registry, "parley_connections_closed_total", "By close code.", ["code"]);
  const failures = labelledCounter(registry, "parley_authentication_failures_total", "Tokens refused.", ["where"]);
  const requests = labelledCounter(registry, "parley_requests_total", "By type and outcome.", ["type", "outcome"]);
  let outboxBytes = 0;
  readGauge(registry, "parley_outbox_bytes", "Bytes that wait for sockets.", () => outboxBytes);
  let connections = 0;
  readGauge(registry, "parley_connections", "WebSocket connections now.", () => connections);
  const latency = plainHistogram(
    registry,
    "parley_send_latency_seconds",
    "From a message's arrival to its durable acknowledgement.",
    latencyBounds,
  );
  return {
    connectionOpened: () => {
      opened(1);
      connections++;
    },
    reconnected: () => {
      reconnects(1);
    },
    connectionClosed: (code) => {
      connections--;
      closed(1, isOurCode(code) ? String(code) : "other");
    },
    authenticationFailed: (where) => {
      failures(1, where);
    },
    heartbeatFailed: () => {
      heartbeats(1);
    },
    sendLatency: latency,
    request: (type, outcome) => {
      requests(1, type, outcome);
    },
    framesQueued: queued,
    framesDropped: dropped,
    framesShed: shed,
    typingShed: () => {
      typingShed(1);
    },
    outboxBytes: (bytes) => {
      outboxBytes = bytes;
    },
  };
};

/** Seconds. */
const latencyBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** A client may close with any code from 3000 on: only those that mean something get a series of their own. */
const isOurCode = (code: number): boolean => (code >= 1000 && code <= 1015) || meaningful.has(code);
const meaningful: ReadonlySet<number> = new Set(Object.values(closeCodes).map(({ code }) => code));
