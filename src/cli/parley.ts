import { Command } from "commander";
import { auditCommand } from "./audit/audit.js";
import { backupCommand } from "./backup/backup.js";
import { doctorCommand } from "./doctor.js";
import { epochCommand } from "./epoch.js";
import { eventsCommand } from "./events/events.js";
import { explainCommand } from "./explain.js";
import { fail, usageExitCode } from "./failure.js";
import { holdCommand } from "./hold/hold.js";
import { keysCommand } from "./keys/keys.js";
import { projectionsCommand } from "./projections.js";
import { serveCommand } from "./serve.js";
import { tokenCommand } from "./token.js";
import { userCommand } from "./user/user.js";
import { version } from "./version.js";

/** Commander asks each command by itself what to do at its end; subcommands do not inherit it. */
const endWithUsageCode = (command: Command): void => {
  command.showHelpAfterError("(--help says more)").exitOverride(({ exitCode }) => {
    process.exit(exitCode === 0 ? 0 : usageExitCode);
  });
  for (const child of command.commands) endWithUsageCode(child);
};

// `parley events tail | head` is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  fail(error);
});

const program = new Command("parley")
  .description("A self-hosted, event-sourced chat backend. Start it with `parley serve`.")
  .version(version)
  .addCommand(serveCommand)
  .addCommand(tokenCommand)
  .addCommand(doctorCommand)
  .addCommand(projectionsCommand)
  .addCommand(eventsCommand)
  .addCommand(explainCommand)
  .addCommand(epochCommand)
  .addCommand(backupCommand)
  .addCommand(auditCommand)
  .addCommand(userCommand)
  .addCommand(holdCommand)
  .addCommand(keysCommand);
endWithUsageCode(program);

await program.parseAsync();
