#!/bin/sh
":" /* is a command that does nothing to a shell, and to node a string before a comment, in which the shell becomes node
# A server's young generation begins with 4 MB, and once that is not enough it gets 32 at once. V8 by itself begins with 1
# and goes up to 16 in small steps, copying meanwhile what would soon have been rubbish. Only the command line can say so
# in time, hence a shell that becomes node: it stays the same process, so signals and exit codes are the server's own.
# An operator who sets semi-spaces in NODE_OPTIONS has these. Of malloc's arenas two do, where it would make eight for
# each processor.
case "$1 $NODE_OPTIONS" in
  serve\ *semi-space*) exec node "$0" "$@" ;;
  serve\ *)
    export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
    exec node --min-semi-space-size=4 --semi-space-growth-factor=8 --max-semi-space-size=32 "$0" "$@"
    ;;
esac
exec node "$0" "$@"
*/
// Committed, unlike what it starts: npx remembers for good that a package has no command.
import { existsSync } from "node:fs";

const cli = new URL("../dist/src/cli/parley.js", import.meta.url);
if (existsSync(cli)) {
  await import(cli.href);
} else {
  process.stderr.write("parley: it is not built yet: run npm run build first\n");
  process.exitCode = 1;
}
