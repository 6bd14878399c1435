import { setImmediate as nextTurn } from "node:timers/promises";
import type { HttpRequest, HttpResponse, Logger } from "../ports.js";
import { shownPath } from "./shown-path.js";
import type { NativeRequest, NativeResponse } from "./native.js";
import { createAnswering, errorResponse, type Answering } from "./answer.js";
import { BodyTooSlow, ClientGone, readBody, type BodyLimits, type IncomingBody } from "./body.js";
import { corsHeaders, isPreflight, type Origins } from "./cors.js";
import { ambiguityOf, ambiguous } from "./grammar.js";

export type HttpOptions = {
  /** Its rejection is a defect: logged, answered with 500. */
  readonly handle: (request: HttpRequest) => Promise<HttpResponse>;
  readonly body: BodyLimits;
  /** Requests at work; each may hold a body. One that is worked on has its place until its answer is there to be sent. */
  readonly concurrentMax: number;
  /** Has a place whatever is at work: short, and without a body that would be kept. */
  readonly isAlwaysAnswered: (method: string, path: string) => boolean;
  readonly origins: Origins;
  readonly logger: Logger;
};

export type HttpHandler = {
  readonly handle: (native: NativeResponse, request: NativeRequest) => void;
  /**
   * From now on what needs a place is refused. Resolves when all that has one is answered; each of these answers closes
   * its connection, so that its client asks another gateway next.
   */
  readonly drain: () => Promise<void>;
};

/** Any method, any path → `HttpRequest` → `HttpResponse`. One answer each, in time or not at all. */
export const createHttpHandler = (options: HttpOptions): HttpHandler => {
  let concurrent = 0;
  let unanswered = 0;
  let isDraining = false;
  let allAnswered: () => void = () => undefined;

  const refusal = () =>
    isDraining
      ? errorResponse(503, "UNAVAILABLE", "This server is about to stop; ask again.", 1)
      : concurrent >= options.concurrentMax
        ? errorResponse(503, "UNAVAILABLE", "Too many requests at once.", 1)
        : undefined;
  const inPlace = async (request: HttpRequest): Promise<HttpResponse> => {
    concurrent++;
    try {
      return await options.handle(request);
    } finally {
      concurrent--;
    }
  };
  const inPlaces = { ...options, handle: inPlace };
  const untilAnswered = async (work: Promise<void>): Promise<void> => {
    unanswered++;
    await work;
    unanswered--;
    if (unanswered === 0) allAnswered();
  };

  const handle = (native: NativeResponse, request: NativeRequest): void => {
    // Before anything that could throw: from here on an exception is answered, it does not end the process.
    let incoming: IncomingBody | undefined;
    const method = request.getCaseSensitiveMethod();
    const answering = createAnswering(native, method === "HEAD", () => incoming?.aborted());
    try {
      const cors = corsHeaders(options.origins, request.getHeader("origin"));
      const parsed = parseRequest(method, request, () => body.whole());
      const preflight = isPreflight(method, request);
      const needsPlace = !options.isAlwaysAnswered(method, parsed.path);
      const isChunked = request.getHeader("transfer-encoding") !== "";
      const limits = needsPlace ? options.body : { ...options.body, bytesMax: 0 };
      const body = (incoming = readBody(native, limits, isChunked));
      const ambiguity = ambiguityOf(request);
      if (ambiguity !== undefined) return void answering.answer(ambiguous(ambiguity), true);
      if (preflight) return void answering.answer({ status: 204, headers: cors });
      const refused = needsPlace ? refusal() : undefined;
      if (refused !== undefined) return void answering.answer(refused, true);
      const work = serve(
        needsPlace ? inPlaces : options,
        parsed,
        body,
        answering,
        cors,
        () => needsPlace && isDraining,
      );
      if (needsPlace) void untilAnswered(work);
    } catch (error) {
      options.logger.error({ err: error }, "An HTTP request could not be read");
      answering.answer(internal, true);
    }
  };
  const drain = async (): Promise<void> => {
    isDraining = true;
    if (unanswered > 0) await new Promise<void>((resolve) => (allAnswered = resolve));
    // These answers close their connections, so that they leave a turn after they were given (`Answering.answer`).
    await nextTurn();
  };
  return { handle, drain };
};

const parseRequest = (method: string, request: NativeRequest, body: HttpRequest["body"]): HttpRequest => {
  const authorization = request.getHeader("authorization");
  return {
    method,
    path: request.getUrl(),
    query: new URLSearchParams(request.getQuery() ?? ""),
    authorization: authorization === "" ? undefined : authorization,
    body,
  };
};

/** Never rejects. */
const serve = async (
  options: Pick<HttpOptions, "handle" | "logger">,
  request: HttpRequest,
  body: IncomingBody,
  answering: Answering,
  cors: Readonly<Record<string, string>>,
  isLast: () => boolean,
): Promise<void> => {
  try {
    const response = await options.handle(request);
    const drained = await body.drained();
    answering.answer({ ...response, headers: { ...cors, ...response.headers } }, !drained || isLast());
  } catch (error) {
    if (error instanceof ClientGone) return;
    if (error instanceof BodyTooSlow) return void answering.answer(tooSlow, true);
    const shown = { method: request.method, path: shownPath(request.path) };
    options.logger.error({ err: error, ...shown }, "An HTTP request failed");
    answering.answer(internal, true);
  }
};

const tooSlow = errorResponse(503, "UNAVAILABLE", "The body did not come in time; nothing was done.", 1);
const internal = errorResponse(500, "INTERNAL", "Something is wrong with the server; it has been logged.");
