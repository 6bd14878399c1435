import { Command } from "commander";
import { eraseCommand } from "./erase.js";
import { takeoutCommand } from "./takeout.js";

export const userCommand = new Command("user")
  .description("What Parley has of one person: take it out, or end it.")
  .addCommand(takeoutCommand)
  .addCommand(eraseCommand);
