import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asPosition, noPosition, streamId, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { explainIn, explained, type ExplainLine } from "../../../src/operate/explain/explain.js";
import { asynchronous } from "../../../src/operate/as-of/scratch-views.js";
import { pagesInOrder } from "../../../src/operate/as-of/streams.js";
import type { LogToRead } from "../../../src/operate/target.js";
import { conversationIds, logs, users } from "../../kit/arbitraries.js";
import { sourceOf, viewsOfLog } from "../../kit/damage.js";
import { seed, untilSeen, withSeed } from "../../kit/seed.js";
import { temporaryDirectory } from "../../kit/sqlite-views.js";

const logOfEvents = (events: readonly RecordedEvent[]): LogToRead => ({
  ...sourceOf(events),
  readAll: (from, count, direction = "forwards") =>
    direction === "forwards"
      ? sourceOf(events).readAll(from ?? noPosition, count)
      : Promise.resolve(
          events
            .filter(({ position }) => position < (from ?? Infinity))
            .toReversed()
            .slice(0, count),
        ),
});

type Views = ReturnType<typeof viewsOfLog>;
const liveOf = (file: Views) => ({
  reads: asynchronous(file.reads),
  reached: () => Promise.resolve(file.checkpoint()?.position ?? noPosition),
});

const inViews = async (events: readonly RecordedEvent[], body: (file: Views) => Promise<void>): Promise<void> => {
  const directory = temporaryDirectory();
  const file = viewsOfLog(join(directory.path, "views.db"), events);
  try {
    await body(file);
  } finally {
    file.close();
    directory.remove();
  }
};

const eventsIn = (lines: readonly ExplainLine[]) => lines.flatMap((line) => ("event" in line ? [line.event] : []));

describe(`explain (seed ${seed})`, () => {
  it("unread is the sum of what its events add, for everybody in random histories", async () => {
    const seen = { unread: 0, deleted: 0, own: 0 };
    await untilSeen(seen, 3, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, async (events) => {
          const log = logOfEvents(events);
          await inViews(events, async (file) => {
            for (const conversation of conversationIds)
              for (const user of users) {
                const [row] = file.reads.summaries(user, [conversation]);
                if (row === undefined) continue;
                const lines: ExplainLine[] = [];
                const told = await explainIn(log, liveOf(file), "unread", { user, conversation }, (line) => {
                  lines.push(line);
                });
                expect(told.verdict).toBe("same");
                const adding = eventsIn(lines).filter(({ adds }) => adds !== undefined);
                const sum = adding.reduce((all, { adds = 0 }) => all + adds, 0);
                expect([user, conversation, Math.max(0, sum)]).toEqual([user, conversation, told.shown?.unread]);
                seen.unread += sum;
                seen.deleted += adding.filter(({ adds }) => adds === -1).length;
                seen.own += adding.filter(({ adds }) => adds === 0).length;
              }
          });
        }),
        runs(10),
      ),
    );
  });

  it("what drifted is told with both values, and every value's events are in the log's order", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.constantFrom(...explained), async (events, what) => {
        const sent = events.find(({ type }) => type === "MessageSent");
        if (sent === undefined) return;
        const conversation = streamId(sent.stream);
        const { messageId: message } = JSON.parse(sent.data) as { readonly messageId: string };
        const user = "alice";
        const log = logOfEvents(events);
        await inViews(events, async (file) => {
          const lines: ExplainLine[] = [];
          const before = await explainIn(log, liveOf(file), what, { user, conversation, message }, (line) => {
            lines.push(line);
          });
          expect(before.verdict).toBe("same");
          const positions = eventsIn(lines).map(({ position }) => position);
          expect(positions).toEqual([...positions].sort((a, b) => a - b));
          expect(eventsIn(lines).map(({ type }) => type)).toContain("MemberJoined");
          const key = [conversation, user];
          const { rows } = await file.stored.read([{ view: "members", under: key }]);
          const [row] = rows;
          if (row === undefined) throw new Error("no row");
          const role = { value: "nobody", version: 1_000 };
          const wrong = {
            ...row,
            raised: { ...row.raised, readUpTo: 5_000, deliveredUpTo: 5_000, readStep: 0, deliveredStep: 0 },
            registers: { ...row.registers, role },
          };
          file.replace([{ view: "members", key, right: wrong }], []);
          const after = await explainIn(log, liveOf(file), what, { user, conversation, message }, () => undefined);
          // A receipt has only what was received, which there may be nothing of.
          if (what !== "receipt") expect([after.verdict, after.fromLog]).toEqual(["drifted", before.fromLog]);
        });
      }),
      withSeed({ numRuns: 25 }),
    );
  });

  it("streams are read together in the log's order, whatever their pages", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 2_500 }),
        fc.nat(),
        async (owners, cut) => {
          const revisions = new Map<string, number>();
          const events = owners.map((stream, index) => {
            const revision = revisions.get(stream) ?? 0;
            revisions.set(stream, revision + 1);
            return {
              stream,
              revision,
              position: index + 1,
              id: "",
              type: "",
              data: "",
              meta: "",
            } as unknown as RecordedEvent;
          });
          const upTo = asPosition(cut % (events.length + 1));
          const read: number[] = [];
          for await (const page of pagesInOrder(sourceOf(events), ["a", "b", "c"], upTo))
            read.push(...page.map(({ position }) => position));
          expect(read).toEqual(Array.from({ length: upTo }, (_, index) => index + 1));
        },
      ),
      withSeed({ numRuns: 10 }),
    );
  });

  it("who never was a member is refused with who is", async () => {
    const events = fc
      .sample(logs, { numRuns: 50, seed })
      .find((each) => each.some(({ type }) => type === "MemberJoined"));
    if (events === undefined) throw new Error("no conversation in any history");
    const joined = events.find(({ type }) => type === "MemberJoined");
    const conversation = streamId(joined?.stream ?? "");
    await inViews(events, async (file) => {
      const asking = explainIn(
        logOfEvents(events),
        liveOf(file),
        "inbox",
        { user: "zed", conversation },
        () => undefined,
      );
      await expect(asking).rejects.toThrow(/zed never was a member of .*Its members are/);
    });
  });
});
