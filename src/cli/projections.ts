import { Command } from "commander";
import { cancelCommand } from "./projections/cancel.js";
import { diffCommand } from "./projections/diff.js";
import { dropCommand } from "./projections/drop.js";
import { rebuildCommand } from "./projections/rebuild.js";
import { reconcileCommand } from "./projections/reconcile.js";
import { replayCommand } from "./projections/replay.js";
import { statusCommand } from "./projections/status.js";
import { switchCommand } from "./projections/switch.js";

export const projectionsCommand = new Command("projections")
  .description("Read models: how far they are, and whether they are what the log says.")
  .addCommand(statusCommand)
  .addCommand(rebuildCommand)
  .addCommand(switchCommand)
  .addCommand(dropCommand)
  .addCommand(cancelCommand)
  .addCommand(reconcileCommand)
  .addCommand(replayCommand)
  .addCommand(diffCommand);
