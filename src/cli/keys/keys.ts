import { Command } from "commander";
import { exportCommand } from "./export.js";
import { importCommand } from "./import.js";
import { rotateCommand } from "./rotate.js";

export const keysCommand = new Command("keys")
  .description("Keys that open what people wrote: wrapped anew, taken out, brought in.")
  .addCommand(rotateCommand)
  .addCommand(exportCommand)
  .addCommand(importCommand);
