/** The same edit again is known for one, whenever it comes and whoever wrote the log. */
import { createHmac, randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommandSide } from "../../src/commands/execute.js";
import { sealingWith } from "../../src/commands/sealing/sealing.js";
import { encodeEvent } from "../../src/domain/catalogue.js";
import { E } from "../../src/domain/kernel/fp.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { limits } from "../../src/domain/kernel/limits.js";
import { asRevision, revisionAfter, streamOf } from "../../src/domain/kernel/stream.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, openLogKit, writeLongConversation, type LogKit } from "../kit/log.js";
import { withSeed } from "../kit/seed.js";
import { textCipher } from "../kit/text-cipher.js";

let kit: LogKit;
beforeAll(async () => {
  kit = await openLogKit();
});
afterAll(() => kit.dispose());

const by = { kind: "user" as const, userId: "alice", deviceId: "phone" };
const contentOf = (text: string): string => JSON.stringify({ type: "text", text });
const at = (now: number) => contextOf("alice", now, randomUUID());
const monthOf = (time: number): string => new Date(time).toISOString().slice(0, 7);

/** How many events it wrote. */
const edit = async (
  commands: CommandSide,
  conversationId: string,
  { text, now, messageId }: { readonly text: string; readonly now: number; readonly messageId: string },
): Promise<number> => {
  const head = await kit.log.head();
  const command = { conversationId, messageId, contentType: "text", content: contentOf(text) } as const;
  expect(E.isRight(await commands.editMessage(command, at(now)))).toBe(true);
  return (await kit.log.head()) - head;
};

/** As versions before wrote an edit, whose keys' names ended with the incarnation, or with the month. */
const editOfBefore = async (
  conversationId: string,
  { text, now, messageId }: { readonly text: string; readonly now: number; readonly messageId: string },
  incarnation: string | undefined,
): Promise<void> => {
  const key = await kit.keys.obtain(
    ["alice", monthOf(now), ...(incarnation === undefined ? [] : [incarnation])].join("/"),
  );
  const content = { alg: "none", keyId: "", data: contentOf(text) } as const;
  const digest = createHmac("sha256", key).update(messageId).update(contentOf(text)).digest("base64url");
  const about = { messageId, sequence: 1, contentType: "text", content, digest } as const;
  const event = { type: "MessageEdited", id: randomUUID(), at: now, by, ...about } as const;
  const stream = streamOf.conversation(conversationId);
  const [newest] = await kit.log.readStream(stream, asRevision(-1), 1, "backwards");
  const expected = newest?.revision ?? asRevision(-1);
  const appended = await kit.log.append(stream, expected, [encodeEvent(event, { commandId: "c", correlationId: "c" })]);
  expect(appended).toMatchObject({ kind: "appended", revision: revisionAfter(expected) });
};

const dayMs = 86_400_000;
const started = Date.UTC(2026, 10, 20);
const days = fc.integer({ min: 0, max: 400 });
const texts = fc.constantFrom("one", "two", "three");

/** A conversation with one message of alice's. */
const withMessage = async (): Promise<{ readonly conversationId: string; readonly messageId: string }> => {
  const conversationId = `g_${randomUUID()}`;
  await writeLongConversation(kit.log, conversationId, 1);
  return { conversationId, messageId: messageIdOf(conversationId, by, "m-1") };
};

describe("an edit", () => {
  it("repeated at any later clock is a duplicate, in this process and in the next, with the keys of its months or without", async () => {
    const steps = fc.array(fc.record({ text: texts, after: days, again: days, restarts: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    });
    const property = fc.asyncProperty(steps, async (edits) => {
      const { conversationId, messageId } = await withMessage();
      let [now, last] = [started, ""];
      let commands = commandsOn(kit);
      for (const { text, after, again, restarts } of edits) {
        now += after * dayMs;
        expect(await edit(commands, conversationId, { text, now, messageId })).toBe(text === last ? 0 : 1);
        last = text;
        now += again * dayMs;
        const gone = monthOf(now - again * dayMs);
        const without = {
          ...kit.keys,
          find: (keyId: string) => (keyId.includes(gone) ? Promise.resolve(undefined) : kit.keys.find(keyId)),
        };
        if (restarts) commands = commandsOn(kit, kit.log, { sealing: sealingWith(without, ["test"], textCipher) });
        expect(await edit(commands, conversationId, { text, now, messageId })).toBe(0);
      }
    });
    await fc.assert(property, withSeed({ numRuns: 15 }));
  });

  it("that an older version wrote is known in whatever month it comes again, and is written once when it is another", async () => {
    const property = fc.asyncProperty(
      fc.record({ after: days, again: days, later: days, incarnation: fc.constantFrom(undefined, "one", "two") }),
      async ({ after, again, later, incarnation }) => {
        const { conversationId, messageId } = await withMessage();
        let now = started + after * dayMs;
        await editOfBefore(conversationId, { text: "one", now, messageId }, incarnation);
        const commands = commandsOn(kit, kit.log, { sealing: sealingWith(kit.keys, ["one", "two"], textCipher) });
        now += again * dayMs;
        expect(await edit(commands, conversationId, { text: "one", now, messageId })).toBe(0);
        expect(await edit(commands, conversationId, { text: "two", now, messageId })).toBe(1);
        now += later * dayMs;
        expect(await edit(commands, conversationId, { text: "two", now, messageId })).toBe(0);
        expect(await edit(commands, conversationId, { text: "one", now, messageId })).toBe(1);
      },
    );
    await fc.assert(property, withSeed({ numRuns: 15 }));
  });

  it("that an older version wrote of a message from before the window is looked up, and known", async () => {
    const { conversationId, messageId } = await withMessage();
    await editOfBefore(conversationId, { text: "one", now: started, messageId }, "one");
    const commands = commandsOn(kit, kit.log, { sealing: sealingWith(kit.keys, ["one"], textCipher) });
    const sent = Array.from({ length: limits.recentMessagesMax + 1 }, (_, index) =>
      commands.sendMessage(
        { conversationId, clientMessageId: `n-${index}`, contentType: "text", content: contentOf("new") },
        at(started + index),
      ),
    );
    expect((await Promise.all(sent)).every(E.isRight)).toBe(true);
    const now = started + 100 * dayMs;
    expect(await edit(commands, conversationId, { text: "one", now, messageId })).toBe(0);
    expect(await edit(commands, conversationId, { text: "two", now, messageId })).toBe(1);
    expect(await edit(commands, conversationId, { text: "two", now: now + 50 * dayMs, messageId })).toBe(0);
  });
});
