import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { cannotListen } from "../gateway/transport/cannot-listen.js";
import { createPages, type PagesOptions } from "../gateway/transport/pages.js";
import type { HttpRequest, HttpResponse } from "../gateway/ports.js";
import { errorResponse } from "../gateway/transport/answer.js";

type Address = { readonly host: string; readonly port: number };
export type Served = { readonly url: string; readonly close: () => Promise<void> };

/** /healthz, /readyz and /metrics of a process without clients. @throws when the port is taken */
export const serveHealth = (address: Address, options: Omit<PagesOptions, "rest">): Promise<Served> => {
  const rest = () => Promise.resolve(errorResponse(404, "NOT_FOUND", "This process projects; ask a gateway."));
  return servePages(address, createPages({ ...options, rest }));
};

/** Pages by Node's own server, for a port without clients; requests have no body for them. @throws when the port is taken */
export const servePages = async (
  address: Address,
  pages: (request: HttpRequest) => Promise<HttpResponse>,
): Promise<Served> => {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // The target as it came: `new URL` throws for some, such as `//`.
    const [path = "", query = ""] = (request.url ?? "/").split("?", 2);
    const method = request.method ?? "GET";
    const body = () => Promise.resolve(Buffer.alloc(0));
    const page = await pages({ method, path, query: new URLSearchParams(query), authorization: undefined, body });
    response.writeHead(page.status, { "content-type": "application/json", ...page.headers }).end(page.body);
  };
  const server = createServer((request, response) => {
    // Whatever goes wrong with one request is that request's: nothing of it may leave the listener.
    answer(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    const refused = ({ code }: NodeJS.ErrnoException): void => {
      reject(cannotListen(address, code));
    };
    server.once("error", refused).listen(address.port, address.host, resolve);
  });
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  const host = address.host === "0.0.0.0" || address.host === "::" ? "127.0.0.1" : address.host;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};
