import { fileURLToPath } from "node:url";
import { figure } from "../load/measure.js";
import { goal, row, scaled, type Figures, type Scenario } from "../scenario.js";
import { startChild } from "../server/child.js";
import { makeDirectory, removeDirectory } from "../server/left-behind.js";

const script = fileURLToPath(new URL("../log/replay-process.js", import.meta.url));
const conversations = 1000;
const messagesEach = 300;
const goalEventsPerSecond = 100_000;
const floorIs = "the same events read from the log's file and parsed, nothing projected or written; one thread as well";

/** What a rebuild costs: every view from the first event on, in one thread. */
export const projectionReplay: Scenario = {
  name: "projection-replay",
  summary: `views from nothing: ${conversations} conversations of ${messagesEach} messages, into SQLite`,
  ofThisBuildOnly: true,
  run: async (context) => {
    const directory = makeDirectory(context.dataRoot, "replay");
    const command = [script, directory, String(scaled(context, conversations)), String(messagesEach)];
    const nodeFlags = context.profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", context.profileDir];
    const child = startChild({ name: "the replay", command, nodeFlags, core: context.cores.server });
    try {
      const { figures, floor } = (await child.nextJson(600_000)) as { figures: Figures; floor: Figures };
      await child.exited;
      const goals = [goal("events/s", figure(figures, "eventsPerSecond"), { atLeast: goalEventsPerSecond })];
      return [row({ variant: "all views", figures, floors: { read: { is: floorIs, figures: floor } }, goals })];
    } finally {
      await child.stop().catch(() => undefined); // it has ended, or its error is on its way already
      removeDirectory(directory);
    }
  },
};
