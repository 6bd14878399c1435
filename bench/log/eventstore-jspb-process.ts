import { parseArgs } from "node:util";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { StreamsService } from "../../src/eventstore-server/proto.js";
import { pageEvents, sinkOf } from "../../src/eventstore-server/sink.js";
import { openSqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";
import { responseOf, type Response } from "./jspb-response.js";
import { noPosition } from "../../src/domain/kernel/stream.js";

/**
 * What the log's gRPC port would cost without its prebuilt buffers: `Streams.Read` of $all from its start, answered with
 * messages that the generated code serialises, over the same log, pages and flow control.
 * `eventstore-jspb-process.js --data DIR`; prints one JSON line when it listens, and ends on SIGTERM.
 */
const { data } = parseArgs({ options: { data: { type: "string" } } }).values;
if (data === undefined) throw new Error("eventstore-jspb-process.js --data DIR");

const log = await openSqliteLog(join(data, "log.db"));

const readAll = async (call: Parameters<typeof sinkOf<Response>>[0]): Promise<void> => {
  const sink = sinkOf<Response>(call);
  let from = noPosition;
  while (!sink.ended()) {
    const page = await log.readAll(from, pageEvents);
    for (const event of page) {
      const waits = sink.send(responseOf(event));
      if (waits !== undefined) await waits;
    }
    from = page.at(-1)?.position ?? from;
    if (page.length < pageEvents) break;
  }
  sink.end();
};

const server = new Server();
server.addService(StreamsService, {
  read: (call: Parameters<typeof sinkOf<Response>>[0]) => {
    readAll(call).catch((error: unknown) => {
      call.emit("error", error instanceof Error ? error : new Error(String(error)));
    });
  },
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${JSON.stringify({ event: "listening", url: `esdb://127.0.0.1:${port}?tls=false` })}\n`);
});

process.on("SIGTERM", () => {
  server.forceShutdown();
  void log.close().then(() => process.exit(0));
});
