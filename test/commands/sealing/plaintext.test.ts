/** A text that rides on what was sealed of it is taken once, and is in nothing that is written or copied. */
import { isDeepStrictEqual, inspect } from "node:util";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { serialize } from "node:v8";
import { expect, it } from "vitest";
import { takePlaintext, withPlaintext } from "../../../src/commands/sealing/plaintext.js";
import { sealingWith } from "../../../src/commands/sealing/sealing.js";
import { encodeEvent } from "../../../src/domain/catalogue.js";
import type { MessageSent } from "../../../src/domain/conversation/conversation.events.js";
import { byUser } from "../../../src/domain/kernel/by.js";
import { sealedCodec } from "../../../src/domain/kernel/sealed.js";
import type { RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { createLogger } from "../../../src/infra/telemetry.js";
import { openSqliteSnapshots } from "../../../src/infra/snapshot-store/sqlite/snapshot-store.js";
import { commandsOn, openLogKit } from "../../kit/log.js";
import { textCipher } from "../../kit/text-cipher.js";

const secret = "what nobody else may read";
/** More than a snapshot waits for. */
const messages = 2_100;
const plain = { alg: "XC20P", keyId: "k", data: "c2VhbGVk" } as const;

const sent: MessageSent = {
  type: "MessageSent",
  id: "00000000-0000-4000-8000-000000000001",
  at: 1,
  by: byUser({ userId: "alice", deviceId: "phone" }),
  messageId: "00000000-0000-4000-8000-000000000002",
  sequence: 1,
  clientMessageId: "m",
  contentType: "text",
  content: plain,
};

it("is taken once, of that object and of no other", () => {
  const [one, other] = [withPlaintext({ ...plain }, secret), withPlaintext({ ...plain }, "another")];
  expect(takePlaintext({ ...plain })).toBeUndefined();
  expect(takePlaintext(one)).toBe(secret);
  expect(takePlaintext(one)).toBeUndefined();
  expect(takePlaintext(other)).toBe("another");
});

it("is no part of what the object is, nor of any copy: spread, JSON, structured clone, codec, log line", () => {
  const riding = withPlaintext({ ...plain }, secret);
  expect(riding).toStrictEqual(plain);
  expect(isDeepStrictEqual(riding, plain)).toBe(true);
  expect(Reflect.ownKeys(riding)).toEqual(Object.keys(plain));
  expect(sealedCodec.is(riding)).toBe(true);
  const lines: string[] = [];
  createLogger("debug", { write: (line: string) => lines.push(line) }).error({ event: riding }, "an event");
  const written = [
    JSON.stringify(riding),
    JSON.stringify(encodeEvent({ ...sent, content: riding }, { commandId: "c", correlationId: "c" })),
    lines.join("\n"),
    inspect(riding, { showHidden: true, depth: 9 }),
    serialize(riding).toString("latin1"),
  ];
  for (const text of written) {
    expect(text).toContain(plain.data);
    expect(text).not.toContain(secret);
  }
  for (const copy of [{ ...riding }, structuredClone(riding), Object.assign({}, riding), sealedCodec.encode(riding)])
    if (copy !== riding) expect(takePlaintext(copy)).toBeUndefined();
  expect(takePlaintext(riding)).toBe(secret);
});

it("comes to those who are told of the event live, and neither into the log nor into a snapshot", async () => {
  const kit = await openLogKit();
  const snapshots = openSqliteSnapshots(join(kit.dir, "snapshots.db"));
  const live: RecordedEvent[] = [];
  let arrived = (): void => undefined;
  const all = new Promise<void>((resolve) => (arrived = resolve));
  kit.log.subscribe("head", {
    onEvents: (events) => {
      live.push(...events.filter(({ type }) => type === "MessageSent"));
      if (live.length === messages) arrived();
    },
    onFailure: () => undefined,
  });
  const sealing = sealingWith(kit.keys, ["test"], textCipher);
  const commands = commandsOn(kit, kit.log, { sealing, snapshots });
  const context = { commandId: "c", correlationId: "c", now: 1, by: byUser({ userId: "alice", deviceId: "phone" }) };
  const started = await commands.startDirect({ peerId: "bob" }, context);
  if (started._tag === "Left") throw new Error(started.left.code);
  const { conversationId } = started.right;
  await Promise.all(
    Array.from({ length: messages }, (_, n) =>
      commands.sendMessage(
        { conversationId, clientMessageId: `m-${n}`, contentType: "text", content: JSON.stringify(secret) },
        { ...context, commandId: `c-${n}` },
      ),
    ),
  );
  await all;
  await commands.snapshotsSaved();
  await snapshots.close();
  const contents = live.map(({ decoded }) => (decoded as MessageSent).content);
  expect(new Set(contents.map(takePlaintext))).toEqual(new Set([JSON.stringify(secret)]));
  for (const { data, meta } of live) expect(data + meta).not.toContain(secret);
  for (const files of [["log.db", "log.db-wal"], ["snapshots.db"]]) {
    const bytes = Buffer.concat(files.map((file) => readFileSync(join(kit.dir, file))));
    expect(bytes.includes(conversationId), files.join()).toBe(true);
    expect(bytes.includes(secret), files.join()).toBe(false);
  }
  await kit.dispose();
});
