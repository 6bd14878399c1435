import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryOutboxStore, storedOutbox, type KeyValueStore, type StoredMessage } from "../../client/index.js";

/** What `localStorage` is: keys in no particular order, texts only, and at some point full. */
const keyValues = (bytesMax = Infinity): KeyValueStore & { readonly texts: Map<string, string> } => {
  const texts = new Map<string, string>();
  const keys = () => [...texts.keys()].sort((a, b) => (a.length % 7) - (b.length % 7));
  return {
    texts,
    get length() {
      return texts.size;
    },
    key: (index) => keys()[index] ?? null,
    getItem: (key) => texts.get(key) ?? null,
    setItem: (key, value) => {
      if (value.length > bytesMax) throw new Error("QuotaExceededError");
      texts.set(key, value);
    },
    removeItem: (key) => texts.delete(key),
  };
};
const message = (conversationId: string, clientMessageId: string, words = "hi"): StoredMessage => ({
  conversationId,
  clientMessageId,
  content: { type: "text", text: words },
});

type Step = { readonly kind: "put" | "remove" | "reopen"; readonly of: number; readonly words: string };
const steps = fc.array(
  fc.record<Step>({ kind: fc.constantFrom("put", "put", "remove", "reopen"), of: fc.nat(5), words: fc.string() }),
);

describe("an outbox in a key-value store", () => {
  test("does what the one in memory does, however often the page is loaded again", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const [store, model] = [keyValues(), memoryOutboxStore()];
        let outbox = storedOutbox({ store, name: "alice/phone" });
        for (const { kind, of, words } of history) {
          const next = message(`g_${of % 2}`, `key ${of}`, words);
          if (kind === "reopen") outbox = storedOutbox({ store, name: "alice/phone" });
          if (kind === "put") await Promise.all([outbox.put(next), model.put(next)]);
          if (kind === "remove")
            await Promise.all([outbox, model].map((of) => of.remove(next.conversationId, next.clientMessageId)));
          expect(await outbox.load()).toEqual(await model.load());
        }
        expect(await storedOutbox({ store, name: "alice/phone" }).load()).toEqual(await model.load());
      }),
    );
  });

  test("sees neither other users' messages nor other entries", async () => {
    const store = keyValues();
    store.setItem("theme", "dark");
    await storedOutbox({ store, name: "alice/phone" }).put(message("g_1", "a"));
    await storedOutbox({ store, name: "alice/phone2" }).put(message("g_1", "b"));
    await storedOutbox({ store, name: "alice/phone" }).remove("g_1", "b");
    expect(await storedOutbox({ store, name: "alice/phone2" }).load()).toEqual([message("g_1", "b")]);
    expect(await storedOutbox({ store, name: "alice" }).load()).toEqual([]);
    expect(store.getItem("theme")).toBe("dark");
  });

  test("rejects when the store is full, and goes on", async () => {
    const store = keyValues(200);
    const outbox = storedOutbox({ store, name: "alice" });
    await expect(outbox.put(message("g_1", "a", "x".repeat(300)))).rejects.toThrow("QuotaExceededError");
    await outbox.put(message("g_1", "b"));
    expect(await outbox.load()).toEqual([message("g_1", "b")]);
  });

  test("reports and removes what is damaged, and keeps the rest", async () => {
    const store = keyValues();
    await storedOutbox({ store, name: "alice" }).put(message("g_1", "a"));
    await storedOutbox({ store, name: "alice" }).put(message("g_1", "b"));
    const [first = ""] = [...store.texts.keys()];
    store.setItem(first, '{"conversationId":');
    const damaged: string[] = [];
    const outbox = storedOutbox({ store, name: "alice", onDamaged: (key) => damaged.push(key) });
    expect(await outbox.load()).toEqual([message("g_1", "b")]);
    expect(damaged).toEqual([first]);
    expect(store.length).toBe(1);
  });
});
