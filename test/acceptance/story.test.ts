import { startServer } from "../kit/server.js";
import { acceptanceStory } from "./story.js";

acceptanceStory("three devices talk", async () => {
  const server = await startServer();
  const doors = { phone: server, laptop: server, bob: server };
  const { dataDir: source, dispose } = server;
  return { user: (name) => name, doors, processes: [server], source, dispose };
});
