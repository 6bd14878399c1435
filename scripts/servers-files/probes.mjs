/** Asks a server on the loopback one real question: each resolves when it answers rightly and rejects otherwise. */
import http2 from "node:http2";
import net from "node:net";

const answerWithinMs = 2_000;

/** Sends `question` (once, at the start) and resolves as soon as `isAnswer` likes what has come. */
const converse = (port, question, isAnswer) =>
  new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let seen = Buffer.alloc(0);
    const end = (error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.setTimeout(answerWithinMs, () => end(new Error(`no answer on port ${port} in ${answerWithinMs} ms`)));
    socket.on("error", end);
    socket.on("close", () => end(new Error(`port ${port} closed the connection after ${seen.length} bytes`)));
    socket.on("connect", () => socket.write(question));
    socket.on("data", (bytes) => {
      seen = Buffer.concat([seen, bytes]);
      if (isAnswer(seen)) end();
    });
  });

export const answersRedis = (port) => converse(port, "PING\r\n", (seen) => seen.toString("latin1").startsWith("+PONG"));

/** JetStream is asked as well: it recovers its streams after the port is open. */
export const answersNats = (port) =>
  converse(port, 'CONNECT {"verbose":false}\r\nSUB probe.answer 1\r\nPUB $JS.API.INFO probe.answer 0\r\n\r\n', (seen) =>
    seen.includes("io.nats.jetstream.api.v1.account_info_response"),
  );

/** Any HTTP answer will do: a caller that is not signed in is refused. */
export const answersHttp = async (port) => {
  const answer = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(answerWithinMs) });
  await answer.arrayBuffer();
  if (answer.status >= 500) throw new Error(`HTTP ${answer.status} on port ${port}`);
};

/** `{ ping: 1, $db: "admin" }` in an OP_MSG; a BSON double 1 in `ok` is the answer. */
export const answersMongo = (port) => {
  const int32 = (value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return bytes;
  };
  const fields = Buffer.concat([
    Buffer.from("\x10ping\0", "latin1"),
    int32(1),
    Buffer.from("\x02$db\0", "latin1"),
    int32(6),
    Buffer.from("admin\0\0", "latin1"),
  ]);
  const document = Buffer.concat([int32(fields.length + 4), fields]);
  const body = Buffer.concat([int32(0), Buffer.from([0]), document]);
  const message = Buffer.concat([int32(body.length + 16), int32(1), int32(0), int32(2013), body]);
  const ok = Buffer.concat([Buffer.from("\x01ok\0", "latin1"), Buffer.from([0, 0, 0, 0, 0, 0, 0xf0, 0x3f])]);
  const okInt = Buffer.concat([Buffer.from("\x10ok\0", "latin1"), int32(1)]);
  return converse(port, message, (seen) => seen.includes(ok) || seen.includes(okInt));
};

/** EventStoreDB's ServerFeatures, which every official client asks first. */
export const speaksEventStore = (port) =>
  new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const end = (error) => {
      session.destroy();
      if (error) reject(error);
      else resolve();
    };
    session.on("error", end);
    session.setTimeout(answerWithinMs, () => end(new Error(`no answer on port ${port} in ${answerWithinMs} ms`)));
    const call = session.request({
      ":method": "POST",
      ":path": "/event_store.client.server_features.ServerFeatures/GetSupportedMethods",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const judge = (headers) => {
      const status = headers["grpc-status"];
      if (status === "0") end();
      else if (status !== undefined) end(new Error(`gRPC status ${status}: ${headers["grpc-message"] ?? ""}`));
    };
    call.on("error", end);
    call.on("response", judge);
    call.on("trailers", judge);
    call.resume();
    // One message without fields: not compressed, no bytes.
    call.end(Buffer.alloc(5));
  });
