/** Texts as they were sealed by every algorithm that ever was: events of a log, their keys, and what they say. */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { sealedFieldsOf } from "../../../src/commands/sealing/sealed-fields.js";
import { ContentDamaged, openingWith } from "../../../src/commands/sealing/sealing.js";
import { decodeEvent, encodeEvent } from "../../../src/domain/catalogue.js";
import { sealedCodec } from "../../../src/domain/kernel/sealed.js";
import type { RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { openTextCipher, type SodiumChoice } from "../../../src/infra/text-cipher/open.js";

/** A golden file is never edited. */
type Golden = {
  readonly keys: Readonly<Record<string, string>>;
  readonly events: readonly { readonly stored: RecordedEvent; readonly texts: Readonly<Record<string, string>> }[];
};
const directory = new URL("../../golden/sealed/", import.meta.url);
const goldenOf = (alg: string): Golden => JSON.parse(readFileSync(new URL(`${alg}.json`, directory), "utf8")) as Golden;
const algorithms = Object.keys(sealedCodec.props.alg.keys).filter((alg) => alg !== "none");

it("every algorithm has a golden file", () => {
  expect(readdirSync(directory).toSorted()).toEqual(algorithms.map((alg) => `${alg}.json`).toSorted());
});

describe.each(algorithms)("texts that were sealed by %s", (alg) => {
  const { keys, events } = goldenOf(alg);
  const openingBy = async (sodium: SodiumChoice) => {
    const find = (keyId: string) => {
      const key = keys[keyId];
      return key === undefined ? undefined : Buffer.from(key, "base64");
    };
    const store = { cached: () => undefined, find: (keyId: string) => Promise.resolve(find(keyId)) };
    return openingWith(store, (await openTextCipher(sodium)).cipher);
  };

  it.each(["auto", "wasm"] as const)("open, by whatever library there is: %s", async (sodium) => {
    const open = await openingBy(sodium);
    const types = new Set<string>();
    for (const { stored, texts } of events) {
      const opened: Record<string, string | null> = {};
      for (const { field, context, sealed } of sealedFieldsOf(stored)) {
        expect(sealed.alg).toBe(alg);
        opened[field] = await open(context, sealed);
      }
      expect(opened).toEqual(texts);
      types.add(stored.type);
    }
    expect([...types].toSorted()).toEqual(
      ["ConversationStarted", "MemberJoined", "MessageEdited", "MessageSent", "ProfileChanged"].concat([
        "ReactionAdded",
        "ReactionRemoved",
        "SettingsChanged",
      ]),
    );
  });

  it("do not open as another place's, nor by another algorithm's name", async () => {
    const open = await openingBy("auto");
    for (const { stored } of events)
      for (const { context, sealed } of sealedFieldsOf(stored)) {
        await expect(open(`${context}x`, sealed)).rejects.toThrow(ContentDamaged);
        for (const other of algorithms.filter((name) => name !== alg))
          await expect(open(context, { ...sealed, alg: other } as typeof sealed)).rejects.toThrow(ContentDamaged);
      }
  });

  it("are in events that are read, and written as they were", () => {
    for (const { stored } of events) {
      const { commandId, correlationId } = JSON.parse(stored.meta) as { commandId: string; correlationId: string };
      const { data } = encodeEvent(decodeEvent(stored), { commandId, correlationId });
      expect(JSON.parse(data)).toEqual(JSON.parse(stored.data));
    }
  });
});
