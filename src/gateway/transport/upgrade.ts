import { E, type Either } from "../../domain/kernel/fp.js";
import type { DeviceType } from "../../domain/user/user.events.js";
import type { Authenticator, Claims, GatewayMetrics, HttpResponse, Logger, TokenRefusal } from "../ports.js";
import type { AcceptRate } from "./accept-rate.js";
import { createAnswering, errorResponse, type Answering } from "./answer.js";
import { isOriginAllowed, type Origins } from "./cors.js";
import { ambiguous, upgradeAmbiguityOf } from "./grammar.js";
import type { NativeRequest, NativeResponse } from "./native.js";

/** What a client said when it connected. */
export type Accepted = {
  readonly claims: Claims;
  readonly deviceType: DeviceType;
  readonly syncToken: string | undefined;
};

/**
 * An `Authenticator` that may answer at once. It should: an upgrade within its handler leaves in one packet, one that
 * comes later in some thirty (see `Answering.upgrade`).
 */
export type UpgradeAuthenticator = (token: string) => Either<TokenRefusal, Claims> | ReturnType<Authenticator>;

export type UpgradeOptions = {
  readonly authenticate: UpgradeAuthenticator;
  readonly origins: Origins;
  readonly acceptRate: AcceptRate;
  readonly isOpen: () => boolean;
  readonly metrics: Pick<GatewayMetrics, "authenticationFailed">;
  readonly logger: Logger;
};

const subprotocol = "parley.v1";

/** `GET /ws`: authentication before the upgrade, so that a refusal is plain HTTP (PROTOCOL §3). */
export const createUpgradeHandler =
  (options: UpgradeOptions, userData: (accepted: Accepted) => unknown) =>
  (native: NativeResponse, request: NativeRequest, context: unknown): void => {
    const answering = createAnswering(native, false, () => undefined);
    try {
      // The request is gone when this returns: everything is read now.
      const asked = readUpgrade(request);
      const ambiguity = upgradeAmbiguityOf(request);
      if (ambiguity !== undefined) {
        answering.answer(ambiguous(ambiguity), true);
      } else if (!isOriginAllowed(options.origins, asked.origin)) {
        answering.answer(errorResponse(403, "FORBIDDEN", "This origin may not connect."), true);
      } else if (!options.isOpen() || !options.acceptRate.enter()) {
        answering.answer(unavailable(options.acceptRate), true);
      } else {
        authenticate(options, asked, answering, (claims) => {
          const data = userData({ claims, deviceType: asked.deviceType, syncToken: asked.syncToken });
          native.upgrade(data, asked.key, asked.protocol, asked.extensions, context);
        });
      }
    } catch (error) {
      options.logger.error({ err: error }, "An upgrade could not be read");
      answering.answer(internal, true);
    }
  };

const authenticate = (options: UpgradeOptions, asked: Asked, answering: Answering, upgrade: Upgrade): void => {
  const failed = (error: unknown) => {
    options.logger.error({ err: error }, "An upgrade failed");
    answering.answer(internal, true);
  };
  const conclude = (outcome: Either<TokenRefusal, Claims>) => {
    try {
      concludeUpgrade(options, outcome, answering, upgrade);
    } catch (error) {
      failed(error);
    }
  };
  const leave = options.acceptRate.leave;
  try {
    const outcome = asked.token === undefined ? noToken : options.authenticate(asked.token);
    if (outcome instanceof Promise) {
      void outcome.then(conclude, failed).finally(leave);
    } else {
      conclude(outcome);
      leave();
    }
  } catch (error) {
    failed(error);
    leave();
  }
};

const noToken = E.left<TokenRefusal, Claims>({ code: "UNAUTHORIZED", message: "There is no token." });

type Upgrade = (claims: Claims) => void;

const concludeUpgrade = (
  options: UpgradeOptions,
  outcome: Either<TokenRefusal, Claims>,
  answering: Answering,
  upgrade: Upgrade,
): void => {
  if (E.isLeft(outcome)) {
    answering.answer(refusalOf(options, outcome.left), true);
  } else if (!options.isOpen()) {
    answering.answer(unavailable(options.acceptRate), true);
  } else {
    answering.upgrade(() => {
      upgrade(outcome.right);
    });
  }
};

const refusalOf = ({ metrics, acceptRate }: UpgradeOptions, { code, message }: TokenRefusal): HttpResponse => {
  if (code === "UNAVAILABLE") return errorResponse(503, code, message, acceptRate.retryAfterSeconds());
  metrics.authenticationFailed("upgrade");
  return errorResponse(401, code, message);
};

type Asked = Readonly<Record<"origin" | "key" | "protocol" | "extensions", string>> & {
  readonly token: string | undefined;
  readonly deviceType: DeviceType;
  readonly syncToken: string | undefined;
};

const readUpgrade = (request: NativeRequest): Asked => {
  const query = new URLSearchParams(request.getQuery() ?? "");
  const protocols = request
    .getHeader("sec-websocket-protocol")
    .split(",")
    .map((protocol) => protocol.trim());
  return {
    origin: request.getHeader("origin"),
    key: request.getHeader("sec-websocket-key"),
    // A token must not come back in the answer: only the version is ever selected.
    protocol: protocols.includes(subprotocol) ? subprotocol : "",
    extensions: request.getHeader("sec-websocket-extensions"),
    token: tokenOf(request.getHeader("authorization"), protocols, query),
    deviceType: deviceTypeOf(query.get("device_type")),
    syncToken: query.get("sync") ?? undefined,
  };
};

const tokenOf = (authorization: string, protocols: readonly string[], query: URLSearchParams): string | undefined =>
  /^bearer +(\S+)\s*$/i.exec(authorization)?.[1] ??
  protocols.find((protocol) => protocol.startsWith("bearer."))?.slice("bearer.".length) ??
  query.get("token") ??
  undefined;

const deviceTypeOf = (value: string | null): DeviceType => (value === "mobile" || value === "desktop" ? value : "web");

const unavailable = (acceptRate: AcceptRate) =>
  errorResponse(503, "UNAVAILABLE", "Not now; try again later.", acceptRate.retryAfterSeconds());

const internal = errorResponse(500, "INTERNAL", "Something is wrong with the server; it has been logged.");
