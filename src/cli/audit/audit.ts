import { Command } from "commander";
import { accessesCommand } from "./accesses.js";
import { asOfCommand } from "./as-of.js";
import { exportCommand } from "./export.js";
import { exportsCommand } from "./exports.js";
import { whoCouldReadCommand } from "./who-could-read.js";

export const auditCommand = new Command("audit")
  .description(
    "What auditors ask of the log: what was so at a moment, who could read, who looked into it, what was handed out.",
  )
  .addCommand(asOfCommand)
  .addCommand(whoCouldReadCommand)
  .addCommand(accessesCommand)
  .addCommand(exportCommand)
  .addCommand(exportsCommand);
