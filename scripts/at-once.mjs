/**
 * `node scripts/at-once.mjs lint types …`: npm scripts that need nothing of each other, as many at once as there are
 * cores. What one prints comes whole, when it has ended; all of them run, and one that fails makes this fail.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";

/** What it printed, and whether it went well. */
const run = (name) =>
  new Promise((resolve) => {
    const child = spawn("npm", ["run", "--silent", name], { stdio: ["ignore", "pipe", "pipe"] });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => printed.push(chunk));
    child.once("error", (error) => resolve({ passed: false, printed: `${error.message}\n` }));
    child.once("close", (code) => resolve({ passed: code === 0, printed: Buffer.concat(printed) }));
  });

const waiting = process.argv.slice(2);
const lane = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const { passed, printed } = await run(name);
    process.stdout.write(printed);
    if (passed) continue;
    process.stderr.write(`npm run ${name}: failed\n`);
    process.exitCode = 1;
  }
};
await Promise.all(Array.from({ length: availableParallelism() }, lane));
