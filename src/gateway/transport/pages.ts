import { within } from "../../lib/time.js";
import type { Application, HttpRequest, HttpResponse, Readiness } from "../ports.js";
import { errorResponse } from "./answer.js";

export type PagesOptions = {
  readonly version: string;
  readonly readiness: Application["readiness"];
  readonly isDraining: () => boolean;
  /** In bounded time. */
  readonly metricsText: () => Promise<string>;
  /** Whether WebSockets connect here; a process that only projects has nothing at their path. */
  readonly hasSockets?: boolean;
  readonly rest: (request: HttpRequest) => Promise<HttpResponse>;
};

/** What the gateway serves by plain HTTP: REST under `/api/`, and the few pages that operators and orchestrators read. */
export const createPages = (options: PagesOptions): ((request: HttpRequest) => Promise<HttpResponse>) => {
  const metricsText = inFlight(options.metricsText);
  const pages: Readonly<Record<string, () => Promise<HttpResponse> | HttpResponse>> = {
    "/": () => plainText(welcome),
    "/healthz": () => json(200, { status: "ok", version: options.version }),
    "/readyz": () => readyz(options),
    "/metrics": async () => plainText(await metricsText(), "text/plain; version=0.0.4; charset=utf-8"),
    ...(options.hasSockets === true ? { "/ws": () => upgradeRequired } : {}),
  };
  return async (request) => {
    if (request.path.startsWith("/api/")) return options.rest(request);
    const page = Object.hasOwn(pages, request.path) ? pages[request.path] : undefined;
    if (page === undefined) return errorResponse(404, "NOT_FOUND", "There is nothing here; the API is under /api/v1.");
    if (request.method === "GET" || request.method === "HEAD") return page();
    const refusal = errorResponse(405, "METHOD_NOT_ALLOWED", "This can only be read.");
    return { ...refusal, headers: { allow: "GET, HEAD" } };
  };
};

/** Its most frequent cause is a proxy that has not been told to pass the upgrade on. */
const upgradeRequired: HttpResponse = {
  ...errorResponse(
    426,
    "INVALID_MESSAGE",
    "This is where WebSocket connects, and the request did not ask for it: it needs the headers Upgrade and " +
      "Sec-WebSocket-Key. A proxy in between has to speak HTTP/1.1 with this server and to pass Upgrade and Connection on.",
  ),
  headers: { upgrade: "websocket", connection: "upgrade" },
};

/**
 * What orchestrators, balancers and Prometheus read: answered within two seconds or so whatever else is at work, so that a
 * gateway that is busy is not taken for one that is dead.
 */
export const isOperatorsPage = (method: string, path: string): boolean =>
  (method === "GET" || method === "HEAD") && operatorsPages.has(path);

const operatorsPages: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/metrics", "/ws"]);

/** A caller that asks while an answer is being made gets that one: however many ask, the work is that of one. */
const inFlight = <A>(ask: () => Promise<A>): (() => Promise<A>) => {
  let asked: Promise<A> | undefined;
  return () =>
    (asked ??= ask().finally(() => {
      asked = undefined;
    }));
};

/** An orchestrator that gets no answer learns nothing: after this long, silence is itself a problem. */
const readinessMsMax = 2000;

const readyz = async ({ readiness, isDraining }: PagesOptions): Promise<HttpResponse> => {
  if (isDraining()) return json(503, { ready: false, problems: { gateway: "draining" } });
  const silence: Readiness = { ready: false, problems: { gateway: "a dependency does not answer" } };
  const { ready, problems } = await within(readiness(), readinessMsMax, () => silence);
  return json(ready ? 200 : 503, { ready, problems });
};

const json = (status: number, body: object): HttpResponse => ({ status, body: JSON.stringify(body) });

const plainText = (body: string, contentType = "text/plain; charset=utf-8"): HttpResponse => ({
  status: 200,
  headers: { "content-type": contentType },
  body,
});

const welcome = `This is Parley, a self-hosted chat backend.

  /ws        WebSocket, with a token (parley token --user alice --device phone)
  /api/v1    REST, e.g. /api/v1/me and /api/v1/conversations
  /healthz   whether the process lives, and its version
  /readyz    whether it can serve, and what is missing
  /metrics   Prometheus

The protocol and the guides are in docs/ of the source tree; the README has a five-minute tour.
`;
