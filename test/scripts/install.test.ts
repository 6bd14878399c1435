/** What `npm run test:stack` installs: the servers of the run, and what its tests use besides only where they use it. */
import { describe, expect, it } from "vitest";

type Install = { readonly wantsExtras: (names: readonly string[], args: readonly string[]) => boolean };
const scripts = new URL("../../scripts/servers-files/", import.meta.url).href;
const { wantsExtras } = (await import(`${scripts}install.mjs`)) as Install;
const { engineNames } = (await import(`${scripts}engines.mjs`)) as { readonly engineNames: readonly string[] };

describe("clients and tools are installed", () => {
  it.each([
    [engineNames, [], true],
    [engineNames, ["--bail=1"], true],
    [engineNames, ["test/stack/acceptance/story.test.ts"], false],
    [["eventstore"], [], false],
    [["redis", "eventstore"], ["test/stack/acceptance/story.test.ts"], false],
    [["eventstore"], ["test/stack/eventstore-server/clients.test.ts"], true],
    [["eventstore"], ["clients"], true],
    [engineNames, ["test/stack"], true],
  ])("for %j and %j: %s", (names, args, wanted) => {
    expect(wantsExtras(names, args)).toBe(wanted);
  });
});
