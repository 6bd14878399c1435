import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below those that outgoing connections take (32768 on Linux): no other program takes it while its server is down for a moment. */
const [portMin, portMax] = [20_000, 32_000];

/** A free port of 127.0.0.1 that a server can be killed on and started again. */
export const stablePort = async (): Promise<number> => {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = randomInt(portMin, portMax);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${portMin} and ${portMax}`);
};

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
