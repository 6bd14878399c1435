/**
 * The embedded log and its gRPC port alone in a process: what tests take for EventStoreDB where none is to be had.
 * `node process.js --data DIR --port PORT [--host HOST] [--writable]`; prints one JSON line when it listens.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startEventStoreServer } from "./server.js";
import { openSqliteLog } from "../infra/event-log/sqlite/event-log.js";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    writable: { type: "boolean", default: false },
  },
});
const { data, host, port, writable } = values;
if (data === undefined) throw new Error("--data DIR is missing");
mkdirSync(data, { recursive: true, mode: 0o700 });

let stop: () => void = () => undefined;
const stopped = new Promise<void>((resolve) => (stop = resolve));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);

const token = process.env.PARLEY_EVENTSTORE_TOKEN;
const log = await openSqliteLog(join(data, "log.db"));
const server = await startEventStoreServer({
  log,
  host,
  port: Number(port),
  writable,
  ...(token === undefined || token === "" ? {} : { token }),
  onProblem: (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
  },
});
process.stdout.write(`${JSON.stringify({ event: "listening", url: server.url })}\n`);

void log.failed.then((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
await stopped;
await server.close();
await log.close();
process.exit(0);
