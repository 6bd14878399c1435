import { createServer } from "node:net";
import type { GatewayMetrics, HttpRequest, HttpResponse, Logger } from "../ports.js";
import type { Pipe } from "../connections/outbox.js";
import { cannotListen } from "./cannot-listen.js";
import { createAcceptRate, type AcceptRateOptions } from "./accept-rate.js";
import type { BodyLimits } from "./body.js";
import type { Origins } from "./cors.js";
import { createHttpHandler } from "./http.js";
import { loadNative, type Native, type NativeApp, type NativeBehaviour } from "./native.js";
import { createUpgradeHandler, type Accepted, type UpgradeAuthenticator } from "./upgrade.js";

export type TransportOptions<S> = {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly origins: Origins;
  /** A larger text frame is reported as oversize; one above twice this is cut by the library (1006). */
  readonly maxFrameBytes: number;
  readonly body: BodyLimits;
  readonly requestsMax: number;
  readonly acceptRate: AcceptRateOptions;
  readonly authenticate: UpgradeAuthenticator;
  readonly http: (request: HttpRequest) => Promise<HttpResponse>;
  /** Requests that need none of the `requestsMax` places. */
  readonly isAlwaysAnswered: (method: string, path: string) => boolean;
  readonly sockets: SocketEvents<S>;
  readonly metrics: Pick<GatewayMetrics, "authenticationFailed">;
  readonly logger: Logger;
};

/**
 * What happens to a socket, from its `opened` to its `closed`, each once. `S` is whatever its owner wants to be handed.
 * The pipe throws after `closed`. What these throw is logged and cuts that socket.
 */
export type SocketEvents<S> = {
  readonly opened: (pipe: Pipe, accepted: Accepted) => S;
  readonly text: (socket: S, text: string) => void;
  readonly binary: (socket: S) => void;
  readonly oversize: (socket: S) => void;
  readonly drained: (socket: S) => void;
  readonly closed: (socket: S, code: number) => void;
};

export type Transport = {
  readonly port: number;
  /**
   * No new connections: they are refused by the kernel, upgrades and requests on connections that stand with 503.
   * Resolves when the requests at work are answered, however long that takes.
   */
  readonly drain: () => Promise<void>;
  /** Cuts whatever is still connected. */
  readonly close: () => void;
};

/** A peer that says nothing for so long is gone; the library pings in time, so one that lives never meets it. */
const idleTimeoutSeconds = 60;

/** Rejects when this Node has no binary and when the port is taken. */
export const startTransport = async <S extends object>(options: TransportOptions<S>): Promise<Transport> => {
  const native = await loadNative();
  const app = native.App();
  let open = true;
  app.ws(
    "/ws",
    behaviourOf(native, options, () => open),
  );
  const http = createHttpHandler({
    handle: options.http,
    body: options.body,
    concurrentMax: options.requestsMax,
    isAlwaysAnswered: options.isAlwaysAnswered,
    origins: options.origins,
    logger: options.logger,
  });
  app.any("/*", http.handle);
  const token = await listen(app, options);
  const stopListening = () => {
    if (!open) return;
    open = false;
    native.us_listen_socket_close(token);
  };
  return {
    port: native.us_socket_local_port(token),
    drain: () => {
      stopListening();
      return http.drain();
    },
    close: () => {
      stopListening();
      app.close();
    },
  };
};

/**
 * By default two processes could share a port, each with a part of the clients. uWebSockets.js's exclusive mode prevents
 * that, but leaves SO_REUSEADDR out, as does its port 0: then a server that was killed cannot come back to its port while
 * its old connections linger in the kernel. Node's own listen refuses a port that another process listens on, and only
 * that: it is asked first, and finds the port where any will do.
 */
const listen = async (app: NativeApp, { host, port }: { host: string; port: number }): Promise<unknown> => {
  let token: unknown;
  const { free, code } = await freePort(host, port);
  if (free !== undefined)
    app.listen(host, free, reuseAddress, (listening) => {
      token = listening;
    });
  if (token) return token;
  app.close();
  throw cannotListen({ host, port }, code);
};

/** uSockets' default: SO_REUSEADDR and SO_REUSEPORT. */
const reuseAddress = 0;

/** The port itself, or any for 0; none when it cannot be listened on, with the code of why. */
const freePort = (
  host: string,
  port: number,
): Promise<{ readonly free?: number | undefined; readonly code?: string | undefined }> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", ({ code }: NodeJS.ErrnoException) => {
      resolve({ code });
    });
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => {
        resolve({ free: typeof address === "object" ? address?.port : undefined });
      });
    });
  });

/**
 * `accepted` only until the socket opens, so that what came with the upgrade does not stay with it. A socket that was
 * closed within its own `opened` has no state yet; nothing is reported for it.
 */
type SocketData<S> = { accepted: Accepted | undefined; state: S | undefined };

const behaviourOf = <S extends object>(
  native: Native,
  options: TransportOptions<S>,
  isOpen: () => boolean,
): NativeBehaviour<SocketData<S>> => {
  const { sockets, logger, metrics, authenticate, origins } = options;
  const acceptRate = createAcceptRate(options.acceptRate);
  // An exception that leaves a callback ends the process: none does. The socket it concerns is cut.
  const guarded = (socket: { close: () => void }, work: () => void) => {
    try {
      work();
    } catch (error) {
      logger.error({ err: error }, "A socket's handler failed; the socket is cut");
      cut(socket, logger);
    }
  };
  return {
    compression: native.DISABLED,
    maxPayloadLength: options.maxFrameBytes * 2,
    // Off: the library would drop silently. The outbox stops at the first frame that is not taken at once.
    maxBackpressure: 0,
    idleTimeout: idleTimeoutSeconds,
    sendPingsAutomatically: true,
    upgrade: createUpgradeHandler(
      { authenticate, origins, acceptRate, isOpen, metrics, logger },
      (accepted): SocketData<S> => ({ accepted, state: undefined }),
    ),
    open: (socket) => {
      guarded(socket, () => {
        const data = socket.getUserData();
        const { accepted } = data;
        if (accepted === undefined) return;
        data.accepted = undefined;
        data.state = sockets.opened(socket, accepted);
      });
    },
    message: (socket, message, isBinary) => {
      const { state } = socket.getUserData();
      if (state === undefined) return;
      guarded(socket, () => {
        if (isBinary) sockets.binary(state);
        else if (message.byteLength > options.maxFrameBytes) sockets.oversize(state);
        // The bytes are emptied when this returns; decoding copies them. The library has checked that they are UTF-8.
        else sockets.text(state, Buffer.from(message).toString());
      });
    },
    drain: (socket) => {
      const { state } = socket.getUserData();
      if (state !== undefined)
        guarded(socket, () => {
          sockets.drained(state);
        });
    },
    close: (socket, code) => {
      const { state } = socket.getUserData();
      if (state === undefined) return;
      try {
        sockets.closed(state, code);
      } catch (error) {
        logger.error({ err: error }, "A socket's close handler failed");
      }
    },
  };
};

const cut = (socket: { close: () => void }, logger: Logger) => {
  try {
    socket.close();
  } catch (error) {
    logger.debug({ err: error }, "The socket had been closed already");
  }
};
