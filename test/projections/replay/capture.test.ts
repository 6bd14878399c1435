import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { asPosition, noPosition, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { project } from "../../../src/projections/registry.js";
import { startCapture } from "../../../src/projections/replay/capture.js";
import { turnsOf } from "../../../src/projections/replay/turns.js";
import { logOf, logs } from "../../kit/arbitraries.js";
import { sourceOf } from "../../kit/damage.js";
import { seed, untilSeen, withSeed } from "../../kit/seed.js";
import { later, withCoreFile } from "../../kit/sqlite-views.js";
import { settled } from "../../kit/turns.js";

/** How a capture meets its log: in what pages, how slowly, and how far the log goes by now. */
type Meeting = { readonly page: number; readonly isSlow: boolean; readonly whole: readonly RecordedEvent[] };

const pagesBy = async function* (log: readonly RecordedEvent[], page: number) {
  for (let from = 0; from < log.length; from += page) yield await Promise.resolve(log.slice(from, from + page));
};

/** Effects of a log's events from the index on. */
const captureOf = (log: readonly RecordedEvent[], from: number, meeting: Meeting): Promise<readonly string[]> =>
  withCoreFile(async (file) => {
    const source = sourceOf(meeting.whole);
    const readStream: typeof source.readStream = async (...asked) => {
      if (meeting.isSlow) for (let turns = asked[0].length % 3; turns >= 0; turns -= 1) await settled();
      return source.readStream(...asked);
    };
    const apply = (events: readonly RecordedEvent[]): void => {
      const last = events.at(-1);
      const changes = events.flatMap((recorded) => project(decodeEvent(recorded), recorded));
      if (last !== undefined) file.apply(changes, { position: last.position, epoch: "e" });
    };
    apply(log.slice(0, from));
    const { receiptCounts, summaries, touchedSince, members, membershipSteps } = file.reads;
    const reads = {
      ...{ receiptCounts: later(receiptCounts), summaries: later(summaries), touchedSince: later(touchedSince) },
      ...{ members: later(members), membershipSteps: later(membershipSteps) },
    };
    const before = log[from - 1]?.position ?? noPosition;
    const capture = startCapture({ source: { readStream }, reads, project: apply }, before);
    const lines: string[] = [];
    for await (const turn of turnsOf(pagesBy(log.slice(from), meeting.page))) lines.push(...(await capture.turn(turn)));
    capture.stop();
    return lines;
  });

type Line = { kind: string; position: number; event?: string; to?: string[]; frame?: { type: string } };
const parsed = (lines: readonly string[]): readonly Line[] => lines.map((line) => JSON.parse(line) as Line);

/** Frames of events themselves; the others tell numbers of the views, a turn at a time. */
const direct = (lines: readonly string[]): readonly string[] =>
  lines.filter((line) => (JSON.parse(line) as Line).event !== undefined);

describe(`capture (seed ${seed})`, () => {
  it("the same events give the same lines, in any pages, however slowly they are read and however far the log has gone", async () => {
    const seen = { "message.new": 0, "receipt.rollup": 0, "inbox.update": 0, disconnect: 0 };
    await untilSeen(seen, 3, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 40 }), async (whole, cut, begin, page) => {
          const log = whole.slice(0, 1 + (cut % whole.length));
          const from = begin % log.length;
          const lines = await captureOf(log, from, { page: 1_000, isSlow: false, whole: log });
          for (const { kind, frame } of parsed(lines)) {
            const name = frame?.type ?? kind;
            if (name in seen) seen[name as keyof typeof seen] += 1;
          }
          expect(await captureOf(log, from, { page, isSlow: true, whole })).toEqual(lines);
        }),
        runs(40),
      ),
    );
  });

  it("from the middle it has of each event what it has from the start", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.nat(), async (log, cut) => {
        const from = cut % log.length;
        const meeting = { page: 50, isSlow: false, whole: log };
        const position = log[from]?.position ?? 0;
        const all = direct(await captureOf(log, 0, meeting));
        const late = direct(await captureOf(log, from, meeting));
        expect(late).toEqual(all.filter((line) => (JSON.parse(line) as Line).position >= position));
      }),
      withSeed({ numRuns: 25 }),
    );
  });

  it("tells who would have been told what, after which event", async () => {
    const log = logOf([
      { do: "send", in: "d_direct", user: "alice", reply: false },
      { do: "receipt", in: "d_direct", user: "bob", share: 1, read: true },
      { do: "removeDevice", user: "bob", device: "phone" },
    ]);
    const lines = parsed(await captureOf(log, 0, { page: 10, isSlow: false, whole: log }));
    const sent = log.find(({ type }) => type === "MessageSent");
    expect(lines.filter(({ event }) => event === "MessageSent")).toMatchObject([
      { kind: "frame", position: sent?.position, stream: "conversation-d_direct", revision: 2, to: ["alice"] },
      { kind: "frame", position: sent?.position, to: ["bob"], frame: { type: "message.new" } },
    ]);
    expect(lines.filter(({ frame }) => frame?.type === "receipt.update")).toMatchObject([{ to: ["alice"] }]);
    expect(lines.filter(({ frame }) => frame?.type === "inbox.update")).toMatchObject([{ to: ["bob"] }]);
    expect(lines.filter(({ kind }) => kind === "disconnect")).toMatchObject([{ event: "DeviceRemoved", user: "bob" }]);
    expect(JSON.stringify(lines)).not.toContain("alice m0");
    expect(asPosition(log.length)).toBe(lines.at(-1)?.position);
  });
});
