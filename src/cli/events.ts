import { Command } from "commander";
import { showCommand } from "./events-show.js";
import { statsCommand } from "./events-stats.js";
import { tailCommand } from "./events-tail.js";

export const eventsCommand = new Command("events")
  .description("The log, as it is stored.")
  .addCommand(tailCommand)
  .addCommand(showCommand)
  .addCommand(statsCommand);
