import { Command } from "commander";
import { accessesCommand } from "./accesses.js";
import { asOfCommand } from "./as-of.js";
import { exportCommand } from "./export.js";
import { exportsCommand } from "./exports.js";
import { headCommand } from "./head.js";
import { consistencyCommand, proveCommand } from "./prove.js";
import { rotateKeyCommand } from "./rotate-key.js";
import { verifyCommand } from "./verify.js";
import { whoCouldReadCommand } from "./who-could-read.js";

export const auditCommand = new Command("audit")
  .description(
    "What auditors ask of the log: what is signed and can be proved, what was so at a moment, who could read, who looked into it, what was handed out.",
  )
  .addCommand(headCommand)
  .addCommand(proveCommand)
  .addCommand(verifyCommand)
  .addCommand(consistencyCommand)
  .addCommand(rotateKeyCommand)
  .addCommand(asOfCommand)
  .addCommand(whoCouldReadCommand)
  .addCommand(accessesCommand)
  .addCommand(exportCommand)
  .addCommand(exportsCommand);
