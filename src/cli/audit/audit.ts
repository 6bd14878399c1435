import { Command } from "commander";
import { accessesCommand } from "./accesses.js";
import { exportCommand } from "./export.js";
import { exportsCommand } from "./exports.js";

export const auditCommand = new Command("audit")
  .description("What auditors ask of the log: who looked into it, and what was handed out.")
  .addCommand(accessesCommand)
  .addCommand(exportCommand)
  .addCommand(exportsCommand);
