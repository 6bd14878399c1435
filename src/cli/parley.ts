#!/usr/bin/env node
import { Command } from "commander";
import { serveCommand } from "./serve.js";
import { tokenCommand } from "./token.js";
import { version } from "./version.js";

const program = new Command("parley")
  .description("A self-hosted, event-sourced chat backend. Start it with `parley serve`.")
  .version(version)
  .showHelpAfterError()
  .addCommand(serveCommand)
  .addCommand(tokenCommand);

await program.parseAsync();
