import { expect } from "vitest";
import { run } from "../cli/run.js";
import { startServer } from "../kit/server.js";
import { acceptanceStory } from "./story.js";

acceptanceStory("three devices talk", async () => {
  const server = await startServer();
  const doors = { phone: server, laptop: server, bob: server };
  const { dataDir: source, dispose } = server;
  const erase = async (userId: string): Promise<void> => {
    const ran = await run(["user", "erase", userId, "--reason", "Art. 17", "--data", source]);
    expect(ran.code, ran.stderr).toBe(0);
  };
  return { user: (name) => name, doors, processes: [server], erase, source, dispose };
});
