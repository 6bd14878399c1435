import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, it } from "vitest";
import { toS3 } from "../../../src/infra/tree-witness/s3.js";
import { createWitness } from "../../../src/infra/tree-witness/witness.js";

it("a bucket that accepts and stays silent keeps nobody from stopping", async () => {
  let accepted: (socket: Socket) => void = () => undefined;
  const connected = new Promise<Socket>((resolve) => (accepted = resolve));
  const silent = createServer((socket) => {
    accepted(socket);
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const put = toS3({
    ...{ url: `http://127.0.0.1:${port}`, accessKey: "a", secretKey: "s", region: "us-east-1", bucket: "heads" },
    ...{ mode: "compliance", days: 1, requestMsMax: 60_000 },
  });
  const witness = createWitness({ name: "silent", put, onProblem: () => undefined });
  witness.tell(JSON.stringify({ size: 1, epoch: "e" }));
  const socket = await connected;
  await witness.stop();
  // The request is still waiting for its answer, and nobody waits for the request.
  expect(socket.closed).toBe(false);
  socket.destroy();
  silent.close();
});
