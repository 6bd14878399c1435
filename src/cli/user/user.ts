import { Command } from "commander";
import { takeoutCommand } from "./takeout.js";

export const userCommand = new Command("user").description("What Parley has of one person.").addCommand(takeoutCommand);
