#!/usr/bin/env node
// Committed, unlike what it starts: npx remembers for good that a package has no command.
import { existsSync } from "node:fs";

const cli = new URL("../dist/src/cli/parley.js", import.meta.url);
if (existsSync(cli)) {
  await import(cli.href);
} else {
  process.stderr.write("parley: it is not built yet: run npm run build first\n");
  process.exitCode = 1;
}
