import { isStoredMessage, outboxKey, type OutboxStore, type StoredMessage } from "./outbox-store.js";

/** What is needed of `localStorage`; anything that keeps texts by key and lists its keys will do. */
export type KeyValueStore = {
  readonly length: number;
  readonly key: (index: number) => string | null;
  readonly getItem: (key: string) => string | null;
  /** May throw: the store is full. */
  readonly setItem: (key: string, value: string) => void;
  readonly removeItem: (key: string) => void;
};

export type StoredOutboxOptions = {
  readonly store: KeyValueStore;
  /** One a user and device: two outboxes in one store must not see each other's messages. */
  readonly name: string;
  /** An entry that is no message any more; it is removed. */
  readonly onDamaged?: (key: string, value: string) => void;
};

/** Order of the first `put`, so that keys sort as they were made; fits 10^12 messages. */
const orderDigits = 12;

/**
 * An outbox that survives the page: unacknowledged messages as one entry each, so that a crash between two of them
 * loses neither. Rejects with whatever the store throws.
 */
export function storedOutbox({ store, name, onDamaged }: StoredOutboxOptions): OutboxStore {
  const prefix = `parley.outbox.${encodeURIComponent(name)}.`;
  /** outboxKey → the entry's key; read once, at the first use. */
  let entries: Map<string, string> | undefined;
  let nextOrder = 0;

  const known = (): Map<string, string> => {
    if (entries !== undefined) return entries;
    const found = new Map<string, string>();
    for (const [key, message] of readEntries(store, prefix, onDamaged)) {
      found.set(outboxKey(message.conversationId, message.clientMessageId), key);
      nextOrder = Number(key.slice(prefix.length, prefix.length + orderDigits)) + 1;
    }
    return (entries = found);
  };

  return {
    load: attempt(() => {
      known();
      return readEntries(store, prefix, onDamaged).map(([, message]) => message);
    }),
    put: attempt((message: StoredMessage) => {
      const id = outboxKey(message.conversationId, message.clientMessageId);
      const key =
        known().get(id) ?? `${prefix}${String(nextOrder).padStart(orderDigits, "0")}.${encodeURIComponent(id)}`;
      store.setItem(key, JSON.stringify(message));
      if (known().has(id)) return;
      nextOrder += 1;
      known().set(id, key);
    }),
    remove: attempt((conversationId: string, clientMessageId: string) => {
      const id = outboxKey(conversationId, clientMessageId);
      const key = known().get(id);
      if (key === undefined) return;
      store.removeItem(key);
      known().delete(id);
    }),
  };
}

/** A store that throws is a promise that rejects. */
const attempt =
  <Args extends readonly unknown[], A>(work: (...args: Args) => A) =>
  (...args: Args): Promise<A> =>
    new Promise((resolve) => {
      resolve(work(...args));
    });

/** In the order of their first `put`. */
function readEntries(
  store: KeyValueStore,
  prefix: string,
  onDamaged: StoredOutboxOptions["onDamaged"],
): (readonly [string, StoredMessage])[] {
  const keys = Array.from({ length: store.length }, (_, index) => store.key(index));
  return keys
    .filter((key): key is string => key?.startsWith(prefix) === true)
    .sort()
    .flatMap((key) => {
      const value = store.getItem(key);
      if (value === null) return []; // another page was faster
      const message = messageFrom(value);
      if (message !== undefined) return [[key, message] as const];
      store.removeItem(key);
      onDamaged?.(key, value);
      return [];
    });
}

function messageFrom(value: string): StoredMessage | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return undefined; // the caller reports it
  }
  return isStoredMessage(parsed) ? parsed : undefined;
}
