import { describe, expect, it } from "vitest";
import { createPages } from "../../../src/gateway/transport/pages.js";
import type { HttpRequest } from "../../../src/gateway/ports.js";

const request = (path: string): HttpRequest => ({
  method: "GET",
  path,
  query: new URLSearchParams(),
  authorization: undefined,
  body: () => Promise.resolve(Buffer.alloc(0)),
});

describe("/metrics", () => {
  it("are read once for all who ask meanwhile, and again for a client that comes later", async () => {
    const readings: ((text: string) => void)[] = [];
    const pages = createPages({
      readiness: () => Promise.resolve({ ready: true, problems: {} }),
      version: "1.2.3-test",
      isDraining: () => false,
      metricsText: () => new Promise((resolve) => readings.push(resolve)),
      rest: () => Promise.reject(new Error("not asked")),
    });
    const early = [pages(request("/metrics")), pages(request("/metrics"))];
    expect(readings).toHaveLength(1);
    readings[0]?.("first");
    expect((await Promise.all(early)).map(({ body }) => body)).toEqual(["first", "first"]);
    const late = pages(request("/metrics"));
    expect(readings).toHaveLength(2);
    readings[1]?.("second");
    expect((await late).body).toBe("second");
  });
});
