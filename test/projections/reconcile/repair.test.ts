import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { asPosition } from "../../../src/domain/kernel/stream.js";
import { reconcileSubject, type FoundDrift } from "../../../src/projections/reconcile/reconcile.js";
import { repairRows } from "../../../src/projections/reconcile/repair.js";
import { project } from "../../../src/projections/registry.js";
import { logs } from "../../kit/arbitraries.js";
import { damage, damages, everyRow, sourceOf, subjects, viewsOfLog } from "../../kit/damage.js";
import { seed, withSeed } from "../../kit/seed.js";
import { temporaryDirectory } from "../../kit/sqlite-views.js";

describe(`repair beside a running projector (seed ${seed})`, () => {
  it("a row is replaced, also by a lower value, and loses nothing of what is projected meanwhile", async () => {
    await fc.assert(
      fc.asyncProperty(logs, damages, fc.nat(), fc.nat(), async (log, wished, a, b) => {
        const [looked, written] = [a % log.length, b % log.length].sort((x, y) => x - y) as [number, number];
        const directory = temporaryDirectory();
        const file = viewsOfLog(join(directory.path, "views.db"), log.slice(0, looked + 1));
        const rebuilt = viewsOfLog(join(directory.path, "rebuilt.db"), log);
        const source = sourceOf(log);
        try {
          await damage(file, wished);
          const found: FoundDrift[] = [];
          for (const subject of subjects)
            await reconcileSubject({ source, stored: file.stored }, subject, (drift) => void found.push(drift));
          // The projector has gone on since the look, and goes on while the repair reads the log.
          let next = looked + 1;
          const projectTo = (end: number): void => {
            for (; next <= end; next += 1) {
              const recorded = log[next];
              if (recorded === undefined) return;
              file.apply(project(decodeEvent(recorded), recorded), { position: recorded.position, epoch: "e" });
            }
          };
          projectTo(looked + Math.floor((written - looked) / 2));
          const reading: typeof source.readAll = async (from) => {
            projectTo(Math.min(next, written));
            return Promise.resolve(log.filter(({ position }) => position > from).slice(0, 1));
          };
          const { checkpoint, replace } = file;
          const at = found[0]?.at ?? asPosition(log[looked]?.position ?? 0);
          await repairRows({ source: { readAll: reading }, checkpoint, replace }, at, found);
          projectTo(log.length - 1);
          expect(await everyRow(file)).toEqual(await everyRow(rebuilt));
        } finally {
          file.close();
          rebuilt.close();
          directory.remove();
        }
      }),
      withSeed({ numRuns: 40 }),
    );
  });
});
