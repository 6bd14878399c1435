import type { HttpResponse } from "../gateway/ports.js";
import { createPages } from "../gateway/transport/pages.js";
import { errorResponse } from "../gateway/transport/answer.js";
import { servePages, type Served } from "./health-server.js";

/** A start whose engines are there takes no longer: a client that is told more is away for longer than the process was. */
const retryAfterSeconds = 1;

/**
 * What a process serves on its port before it can serve: that it lives. Everything else is 503 with a time to come back,
 * /readyz with what is waited for. Connections end with each answer, since the gateway or the projector serves the port
 * soon.
 * @throws when the port is taken
 */
export const serveStarting = (
  address: { readonly host: string; readonly port: number },
  { version, problems }: { readonly version: string; readonly problems: () => Readonly<Record<string, string>> },
): Promise<Served> => {
  const away = (): HttpResponse =>
    errorResponse(503, "UNAVAILABLE", "Parley starts here; come back in a moment.", retryAfterSeconds);
  const pages = createPages({
    version,
    readiness: () => Promise.resolve({ ready: false, problems: { parley: "it starts", ...problems() } }),
    isDraining: () => false,
    metricsText: () => Promise.resolve(""),
    rest: () => Promise.resolve(away()),
  });
  return servePages(address, async (request) => {
    const isServed = request.path === "/healthz" || request.path === "/readyz";
    const page = isServed ? await pages(request) : away();
    const retry = page.status === 503 ? { "retry-after": String(retryAfterSeconds) } : {};
    return { ...page, headers: { ...page.headers, ...retry, connection: "close" } };
  });
};
