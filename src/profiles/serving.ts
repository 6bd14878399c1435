import { randomUUID } from "node:crypto";
import type { Commands } from "../commands/commands.js";
import { limits } from "../domain/kernel/limits.js";
import { createDispatcher } from "../gateway/session/dispatch.js";
import { startGateway, type Gateway } from "../gateway/gateway.js";
import { issued } from "../gateway/access/device-access.js";
import type { Hub, HubConnection } from "../gateway/connections/hub.js";
import { gatewayLimits } from "../gateway/limits.js";
import { createChangeRate, createMessageRate } from "../gateway/access/message-rate.js";
import type { Application, Logger, RateLimiter } from "../gateway/ports.js";
import type { Registration } from "../gateway/connections/registration.js";
import { createRest } from "../gateway/rest/rest.js";
import type { CatchUp } from "../gateway/access/catch-up.js";
import type { DeviceAccess } from "../gateway/access/device-access.js";
import { createAuthenticator, type AuthenticatorOptions } from "../infra/auth/authenticator.js";
import type { Telemetry } from "../infra/telemetry.js";
import { anyAudience, audienceFix } from "../settings/any-audience.js";
import type { Config } from "../settings/config.js";

export const ids = { uuid: randomUUID };
const sizes = { maxMessageBytes: limits.messageBytesMax, maxFrameBytes: gatewayLimits.frameBytesMax };

export type ServingWith = {
  readonly config: Omit<Config, "dataDir" | "eventStorePort">;
  readonly app: Application;
  readonly catchUp: CatchUp;
  readonly deviceAccess: DeviceAccess;
  readonly hub: Hub;
  readonly registration?: Registration;
  readonly limiter: RateLimiter;
  readonly secret: Buffer;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
};

/** Whether a connection's device may stay, by what the log says now. */
export const mayStayBy =
  ({ mayStay }: Pick<Commands, "mayStay">) =>
  ({ actor, issuedAt }: HubConnection): Promise<boolean> =>
    mayStay({ ...actor, ...issued(issuedAt) });

/** What a reader is told of the views, as a figure. */
export const observeViews = (
  telemetry: Pick<Telemetry, "gauge">,
  views: { readonly problem: () => string | undefined },
): void => {
  telemetry.gauge(
    "parley_views_readable",
    "0 while reads are answered UNAVAILABLE: the views are being built, or do not go on.",
    () => Number(views.problem() === undefined),
  );
};

/** Sockets and REST in front of an application. @throws when the port is taken */
export const serveClients = (deps: ServingWith): Promise<Gateway> => {
  const { config, app, hub, registration, secret, telemetry, logger, catchUp, deviceAccess } = deps;
  const { authenticate, check } = createAuthenticator({ secret, ...jwksOf(config, logger) });
  const { metrics, metricsText, version } = telemetry;
  const common = { app, authenticate, metrics, logger, clock: Date.now, ids, catchUp, deviceAccess };
  const { messagesPerMinute, changesPerMinute } = config;
  const messageRate = messagesPerMinute > 0 ? createMessageRate(deps.limiter, messagesPerMinute) : undefined;
  const changeRate = changesPerMinute > 0 ? createChangeRate(deps.limiter, changesPerMinute) : undefined;
  const heartbeatIntervalMs = Math.round(config.heartbeatSeconds * 1_000);
  const dispatcher = createDispatcher({
    ...common,
    monotonic: () => performance.now(),
    ...(messageRate === undefined ? {} : { messageRate }),
    config: { heartbeatIntervalMs, limits: sizes, messagesPerMinute },
  });
  return startGateway({
    config: { ...config, heartbeatIntervalMs, maxFrameBytes: sizes.maxFrameBytes },
    version,
    app,
    authenticate: check,
    dispatcher,
    rest: createRest({ ...common, ...(changeRate === undefined ? {} : { changeRate }) }),
    hub,
    ...(registration === undefined ? {} : { registration }),
    metrics,
    metricsText,
    logger,
  });
};

const jwksOf = ({ jwks }: ServingWith["config"], logger: Logger): Pick<AuthenticatorOptions, "jwks"> => {
  if (jwks === undefined) return {};
  if (jwks.audience === undefined) logger.warn({ fix: audienceFix }, anyAudience);
  const onProblem = (error: Error): void => {
    logger.warn({ err: error }, "the identity provider's keys could not be fetched");
  };
  return { jwks: { ...jwks, onProblem } };
};
