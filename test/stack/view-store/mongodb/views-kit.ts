import { randomUUID } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { openMongo, type Mongo } from "../../../../src/infra/engines/mongodb/connection.js";

export type TestDatabase = Mongo & { readonly drop: () => Promise<void> };

/** A database of its own on the server, to be dropped afterwards. */
export const openTestDatabase = async (url: string): Promise<TestDatabase> => {
  const mongo = await openMongo({ url, database: `parley-test-${randomUUID()}` });
  return {
    ...mongo,
    drop: async () => {
      await mongo.db.dropDatabase();
      await mongo.close();
    },
  };
};

/** Stands before the server, so that a test can take it away and bring it back at the same address. */
export type Proxy = {
  /** Of the proxy. */
  readonly url: string;
  readonly open: () => Promise<void>;
  /** Nobody listens any more, and every connection is reset. */
  readonly close: () => Promise<void>;
};

/** @param url names the server's host and port; of several, the first is taken */
export const proxyTo = async (url: string): Promise<Proxy> => {
  const [, credentials = "", host = "", serverPort = "27017", rest = ""] =
    /^mongodb:\/\/([^@/]*@)?([^:,/]+)(?::(\d+))?[^/]*(\/.*)?$/.exec(url) ?? [];
  let server: Server | undefined;
  const sockets = new Set<Socket>();
  const listenOn = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const listening = createServer((socket) => {
        const upstream = connect(Number(serverPort), host);
        for (const [from, to] of [
          [socket, upstream],
          [upstream, socket],
        ] as const) {
          sockets.add(from);
          from
            .on("error", () => undefined)
            .once("close", () => {
              sockets.delete(from);
              to.destroy();
            });
          from.pipe(to);
        }
      });
      server = listening;
      listening.once("error", reject).listen(port, "127.0.0.1", () => {
        const address = listening.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  const port = await listenOn(0);
  // A replica set would otherwise tell the client its own address, past the proxy.
  const [path = "/", query = ""] = rest.split("?");
  const options = [...query.split("&"), "directConnection=true"]
    .filter((part, index, all) => part !== "" && !part.startsWith("replicaSet=") && all.indexOf(part) === index)
    .join("&");
  return {
    url: `mongodb://${credentials}127.0.0.1:${port}${path === "" ? "/" : path}?${options}`,
    open: async () => {
      await listenOn(port);
    },
    close: () =>
      new Promise((resolve) => {
        if (server?.listening !== true) {
          resolve();
          return;
        }
        server.close(() => {
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      }),
  };
};
