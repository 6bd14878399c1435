import { Command } from "commander";
import { createCommand } from "./create.js";
import { restoreCommand } from "./restore.js";
import { verifyCommand } from "./verify.js";

export const backupCommand = new Command("backup")
  .description("Copies of a Parley to begin again from.")
  .addCommand(createCommand)
  .addCommand(verifyCommand)
  .addCommand(restoreCommand);
