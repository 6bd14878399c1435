import { describe, expect, it } from "vitest";
import { createLogger, createTelemetry } from "../../src/infra/telemetry.js";

describe("metrics", () => {
  it("name every figure from the start", async () => {
    const text = await createTelemetry("1.2.3-test").metricsText();
    for (const name of [
      'parley_build_info{version="1.2.3-test"} 1',
      "parley_connections 0",
      "parley_connections_total 0",
      "parley_reconnects_total 0",
      "parley_heartbeat_failures_total 0",
      "parley_outbox_bytes 0",
      "parley_outbox_dropped_frames_total 0",
      "parley_send_latency_seconds_count 0",
      "# TYPE parley_requests_total counter",
      "# TYPE parley_authentication_failures_total counter",
      "process_cpu_seconds_total",
    ])
      expect(text).toContain(name);
  });

  it("count what happened, however often they are read", async () => {
    const { metrics, metricsText } = createTelemetry("1.2.3-test");
    metrics.connectionOpened();
    metrics.connectionOpened();
    metrics.reconnected();
    metrics.connectionClosed(4409);
    metrics.connectionClosed(3999);
    metrics.authenticationFailed("rest");
    metrics.heartbeatFailed();
    metrics.sendLatency(0.003);
    metrics.request("message.send", "ok");
    metrics.request("message.send", "ok");
    metrics.request("message.send", "FORBIDDEN");
    metrics.framesQueued(5);
    metrics.framesDropped(2);
    metrics.framesShed(3);
    metrics.typingShed();
    metrics.outboxBytes(77);
    for (let time = 0; time < 2; time++) {
      const text = await metricsText();
      for (const line of [
        "parley_connections 0",
        "parley_connections_total 2",
        "parley_reconnects_total 1",
        'parley_connections_closed_total{code="4409"} 1',
        'parley_connections_closed_total{code="other"} 1',
        'parley_authentication_failures_total{where="rest"} 1',
        "parley_heartbeat_failures_total 1",
        'parley_send_latency_seconds_bucket{le="0.0025"} 0',
        'parley_send_latency_seconds_bucket{le="0.005"} 1',
        'parley_requests_total{type="message.send",outcome="ok"} 2',
        'parley_requests_total{type="message.send",outcome="FORBIDDEN"} 1',
        "parley_outbox_frames_total 5",
        "parley_outbox_dropped_frames_total 2",
        "parley_outbox_shed_frames_total 3",
        "parley_typing_shed_total 1",
        "parley_outbox_bytes 77",
      ])
        expect(text).toContain(`${line}\n`);
    }
  });

  it("do not grow with names that clients make up", async () => {
    const { metrics, metricsText } = createTelemetry("1.2.3-test");
    for (let index = 0; index < 10_000; index++) metrics.request(`made.up.${index}`, "x");
    const text = await metricsText();
    expect(text.match(/^parley_requests_total\{/gm)?.length).toBeLessThanOrEqual(501);
    expect(text).toContain('parley_requests_total{type="other",outcome="other"} 9500');
  });

  it("read the log and the projections when asked", async () => {
    const { observe, metricsText } = createTelemetry("1.2.3-test");
    let head = 10;
    observe({
      logQueueDepth: () => 3,
      logHead: () => Promise.resolve(head),
      projections: () => [{ name: "views", position: 8, lagEvents: head - 8 }],
    });
    await metricsText();
    head = 12;
    const text = await metricsText();
    for (const line of [
      "parley_log_queue_depth 3",
      "parley_log_head_position 12",
      'parley_projection_position{projection="views"} 8',
      'parley_projection_lag_events{projection="views"} 4',
    ])
      expect(text).toContain(`${line}\n`);
  });
});

describe("the logger", () => {
  it("writes lines at its level and hides tokens, wherever they are", () => {
    const lines: string[] = [];
    const logger = createLogger("info", { write: (line) => void lines.push(line) });
    logger.debug({}, "not this");
    logger.info({ token: "secret1", request: { headers: { authorization: "secret2" }, path: "/x" } }, "this");
    logger.error({ err: new Error("boom"), payload: { token: "secret3" } }, "that");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["this", "that"]);
    expect(lines.join()).not.toMatch(/secret\d/);
    expect(lines.join()).toContain("boom");
  });
});
