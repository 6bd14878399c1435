import { byUser } from "../../domain/kernel/by.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { Clock, Ids } from "../../commands/ports.js";
import type {
  Application,
  Authenticator,
  Claims,
  GatewayMetrics,
  HttpRequest,
  HttpResponse,
  Logger,
} from "../ports.js";
import { createQuota } from "../access/concurrency-limits.js";
import { gatewayLimits as bounds } from "../limits.js";
import type { UserRate } from "../access/message-rate.js";
import type { ErrorCode, Failure } from "../protocol/codes.js";
import { malformed } from "../protocol/details.js";
import { issued } from "../access/device-access.js";
import type { CatchUp } from "../access/catch-up.js";
import type { DeviceAccess } from "../access/device-access.js";
import { defect } from "../access/task-runner.js";
import { noContent, refusal } from "./answers.js";
import type { Incoming } from "./call.js";
import { matchRoute, type Match } from "./match.js";
import type { Route } from "./route.js";

export type RestDeps = {
  readonly app: Application;
  /** The dispatcher's too. */
  readonly catchUp: CatchUp;
  readonly deviceAccess: DeviceAccess;
  readonly authenticate: Authenticator;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Of changes; absent: no user is limited. */
  readonly changeRate?: UserRate;
};

/**
 * Everything under `/api/v1`: route, then token, then the user's share of what may be at work and of changes, then body,
 * then handler. A defect is answered 500 and logged; it rejects only when reading the body does, since the client is gone
 * or trickles. CORS is the transport's: it alone sees the origin.
 */
export const createRest = (deps: RestDeps): ((request: HttpRequest) => Promise<HttpResponse>) => {
  const { authenticate, metrics, logger, ids, changeRate } = deps;
  const callsOfUser = createQuota(bounds.callsOfUserMax);

  return async (request) => {
    const match = matchRoute(request.method, request.path);
    if (match.kind !== "route") return unrouted(request.method, match, metrics);
    const label = `${match.route.method} ${match.route.path}`;
    const claims = await identify(request, authenticate, (error) => defect(logger, ids, error, { type: label }));
    if (E.isLeft(claims)) return refused(claims.left, request, label, metrics);
    const { userId } = claims.right;
    const worked = await callsOfUser.within(userId, async () => {
      const limited = match.route.changes ? await changeRate?.(userId) : undefined;
      if (limited !== undefined) return E.left(limited);
      const body = match.route.body === undefined ? undefined : await request.body();
      const incoming = incomingOf(deps, claims.right, match.params, request.query, body);
      return handle(deps, match.route, incoming, claims.right, label);
    });
    const answer = worked ?? E.left(tooManyAtOnce);
    if (E.isLeft(answer)) return refused(answer.left, request, label, metrics);
    metrics.request(label, "ok");
    return answer.right;
  };
};

/** Before the body is read: one user's bodies that trickle would hold all users' places. */
const tooManyAtOnce: Failure = {
  code: "RATE_LIMITED",
  message: `At most ${bounds.callsOfUserMax} calls of one user at once.`,
  retryAfter: bounds.retryAfterS,
  limit: "callsAtOnce",
};

/** A token that is good may be refused for all that: its device was removed. */
const refused = (failure: Failure, { authorization }: HttpRequest, label: string, metrics: GatewayMetrics) => {
  if (failure.code === "UNAUTHORIZED") metrics.authenticationFailed("rest");
  metrics.request(label, failure.code);
  return refusal(failure, challenge(failure, authorization));
};

const handle = async (
  { app, catchUp, deviceAccess, logger, ids }: RestDeps,
  route: Route,
  incoming: Incoming,
  { issuedAt }: Claims,
  label: string,
): Promise<Either<Failure, HttpResponse>> => {
  try {
    const registered = await deviceAccess.deviceCalled(issued(issuedAt), incoming.context);
    if (E.isLeft(registered)) return registered;
    return await route.run({ app, catchUp, deviceAccess }, incoming);
  } catch (error) {
    return E.left(defect(logger, ids, error, { type: label, userId: incoming.actor.userId }));
  }
};

const incomingOf = (
  { ids, clock }: RestDeps,
  { userId, deviceId }: Claims,
  params: Incoming["params"],
  query: URLSearchParams,
  body: Incoming["body"],
): Incoming => {
  const actor = { userId, deviceId };
  const commandId = ids.uuid();
  const context = { commandId, correlationId: commandId, now: clock(), by: byUser(actor) };
  return { actor, params, query, body, context };
};

const identify = async (
  { authorization }: HttpRequest,
  authenticate: Authenticator,
  failed: (error: unknown) => Failure,
): Promise<Either<Failure, Claims>> => {
  const token = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) return E.left(unauthorized("A token is needed: Authorization: Bearer …"));
  try {
    return await authenticate(token);
  } catch (error) {
    return E.left(failed(error));
  }
};

const unauthorized = (message: string): Failure => ({ code: "UNAUTHORIZED", message });

/** RFC 6750 §3: no error code when no token was given. */
const challenge = ({ code }: Failure, authorization: string | undefined): Readonly<Record<string, string>> => {
  if (code !== "UNAUTHORIZED") return {};
  return { "www-authenticate": `Bearer realm="parley"${authorization === undefined ? "" : ', error="invalid_token"'}` };
};

const unrouted = (method: string, match: Exclude<Match, { kind: "route" }>, metrics: GatewayMetrics): HttpResponse => {
  const refuse = (failure: Failure & { code: ErrorCode }, headers?: Readonly<Record<string, string>>): HttpResponse => {
    metrics.request("unknown", failure.code);
    return refusal(failure, headers);
  };
  switch (match.kind) {
    case "not_found":
      return refuse({ code: "NOT_FOUND", message: "There is no such route." });
    case "bad_path":
      return refuse(malformed([{ field: "path", expected: "percent-encoded UTF-8" }]));
    case "method": {
      const allow = { allow: match.allowed.join(", ") };
      if (method === "OPTIONS") return noContent(allow);
      return refuse({ code: "METHOD_NOT_ALLOWED", message: `Allowed here: ${allow.allow}.` }, allow);
    }
  }
};
