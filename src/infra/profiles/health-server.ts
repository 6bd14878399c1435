import { createServer } from "node:http";
import { createPages, type PagesOptions } from "../../gateway/gateway-pages.js";
import { errorResponse } from "../../gateway/transport-uws-answer.js";

/** /healthz, /readyz and /metrics of a process without clients. @throws when the port is taken */
export const serveHealth = async (
  address: { readonly host: string; readonly port: number },
  options: Omit<PagesOptions, "rest">,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> => {
  const rest = () => Promise.resolve(errorResponse(404, "NOT_FOUND", "This process projects; ask a gateway."));
  const pages = createPages({ ...options, rest });
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://projector");
    pages({
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      authorization: undefined,
      body: () => Promise.resolve(Buffer.alloc(0)),
    }).then(
      ({ status, headers, body }) => {
        response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
      },
      () => {
        response.writeHead(500).end();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(address.port, address.host, resolve);
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
