import { existsSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { firstRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { recordAccess } from "../../src/operate/access.js";
import { openToRead } from "../../src/operate/open.js";
import type { Target } from "../../src/operate/target.js";
import { startServer } from "../kit/server.js";

const access = (reason: string) => ({ kind: "events.open", reason, scope: { user: "alice" } });
const recordedIn = async (target: Target): Promise<readonly string[]> => {
  const opened = await openToRead(target);
  try {
    const events = await opened.log.readStream(streamOf.access, firstRevision, 10);
    return events.map(({ data }) => (JSON.parse(data) as { readonly reason: string }).reason);
  } finally {
    await opened.close();
  }
};

describe("a privileged read", async () => {
  const server = await startServer();
  const target: Target = { profile: "embedded", dir: server.dataDir };
  afterAll(server.dispose);

  it("is in the log when the server runs, when it was killed, and when it runs again", async () => {
    const first = await recordAccess(target, access("running"));
    await server.kill();
    const second = await recordAccess(target, access("killed"));
    expect(second).toBeGreaterThan(first);
    await server.start();
    await recordAccess(target, access("again"));
    expect(await recordedIn(target)).toEqual(["running", "killed", "again"]);
  });

  it("is refused for a directory without a log, which is not made", async () => {
    const nowhere = `${server.dataDir}-nowhere`;
    await expect(recordAccess({ profile: "embedded", dir: nowhere }, access("nowhere"))).rejects.toThrow(
      "There is no log in",
    );
    expect(existsSync(nowhere)).toBe(false);
  });
});
