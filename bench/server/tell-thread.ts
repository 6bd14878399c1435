/**
 * Loaded into every thread of a measured process before its own code (`--import`): each writes down its number and what
 * it runs, since nobody outside can tell a process's threads from each other.
 */
import { appendFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { isMainThread } from "node:worker_threads";
import { threadsFileVariable } from "./threads.js";

const file = process.env[threadsFileVariable];

const tell = (path: string): void => {
  const tid = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  const name = isMainThread ? "main" : basename(process.argv[1] ?? "unknown").replace(/(\.worker)?\.js$/, "");
  appendFileSync(path, `${tid} ${name}\n`);
};

// A worker's script is named only after what is loaded before it.
if (file !== undefined)
  queueMicrotask(() => {
    tell(file);
  });
