import { Command } from "commander";
import { accessesCommand } from "./accesses.js";

export const auditCommand = new Command("audit")
  .description("What auditors ask of the log: who looked into it, and what was handed out.")
  .addCommand(accessesCommand);
