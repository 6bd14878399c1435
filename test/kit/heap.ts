import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { settled } from "./turns.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What the process uses, once what nobody holds is gone. */
export const memoryHeld = async (): Promise<NodeJS.MemoryUsage> => {
  collectGarbage();
  // What is finalized, and what the last turn held, is gone only after the next one.
  await settled();
  collectGarbage();
  return process.memoryUsage();
};
