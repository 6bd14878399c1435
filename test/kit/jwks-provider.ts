import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK } from "jose";

export type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
export const makers = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};
export type Alg = keyof typeof makers;

/** An identity provider on a real socket: it can publish other keys, go away and be slow. */
export const createProvider = () => {
  let keys: object[] = [];
  let answer = (response: ServerResponse): void => void response.end(JSON.stringify({ keys }));
  let asked = 0;
  const server: Server = createServer((_request, response) => {
    asked++;
    answer(response);
  });
  const listening = (port: number) =>
    new Promise<void>((resolve) => {
      server.listen(port, "127.0.0.1", resolve);
    });
  return {
    start: () => listening(0),
    url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    publish: async (pairs: Readonly<Record<string, Pair>>) => {
      keys = await Promise.all(
        Object.entries(pairs).map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid })),
      );
    },
    answerWith: (other: (response: ServerResponse) => void) => {
      answer = other;
    },
    asked: () => asked,
    stop: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
};
