import { Command } from "commander";
import { exportCommand } from "./export.js";
import { importCommand } from "./import.js";
import { showCommand } from "./show.js";
import { statsCommand } from "./stats.js";
import { tailCommand } from "./tail.js";
import { verifyCommand } from "./verify.js";

export const eventsCommand = new Command("events")
  .description("The log, as it is stored.")
  .addCommand(tailCommand)
  .addCommand(showCommand)
  .addCommand(statsCommand)
  .addCommand(exportCommand)
  .addCommand(verifyCommand)
  .addCommand(importCommand);
