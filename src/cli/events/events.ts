import { Command } from "commander";
import { showCommand } from "./show.js";
import { statsCommand } from "./stats.js";
import { tailCommand } from "./tail.js";

export const eventsCommand = new Command("events")
  .description("The log, as it is stored.")
  .addCommand(tailCommand)
  .addCommand(showCommand)
  .addCommand(statsCommand);
