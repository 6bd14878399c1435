/**
 * What a folded aggregate is stored as, so that a cold load need not fold it again: named chunks, because a large group
 * or a long conversation is megabytes of which little changes between two snapshots.
 */
export type Chunk = {
  readonly name: string;
  /** Under this name the bytes are the same for ever, for one stream and version: a store that has them writes nothing. */
  readonly fixed: boolean;
  /** Encoded when it is asked for: chunks that are stored already cost nothing. Not changed by later events. */
  readonly data: () => Uint8Array;
};
export type Chunks = ReadonlyMap<string, Uint8Array>;

/** How the state of an aggregate, with its index where it has one, becomes chunks and comes back. */
export type SnapshotFormat<State> = {
  /** Raised whenever `evolve`, the index or the chunks change; a golden test says when. A snapshot of another version is not read. */
  readonly version: number;
  readonly chunksOf: (state: State) => readonly Chunk[];
  /** @throws Error when the chunks are not what `chunksOf` made */
  readonly stateOf: (chunks: Chunks) => State;
};

const utf8 = new TextEncoder();
const text = new TextDecoder();

export const jsonChunk = (name: string, value: () => unknown, fixed = false): Chunk => ({
  name,
  fixed,
  data: () => utf8.encode(JSON.stringify(value())),
});

/** @throws Error when it is missing or not JSON */
export const jsonOf = (chunks: Chunks, name: string): unknown => {
  const data = chunks.get(name);
  if (data === undefined) throw new Error(`the snapshot has no chunk ${name}`);
  return JSON.parse(text.decode(data));
};

/** Entries of one chunk: some 100 KiB, a millisecond of the event loop. */
const entriesPerChunk = 1_000;

/** The entries of an immutable map as `name/0`, `name/1` …, in their order. */
export const entryChunks = <K, V>(
  name: string,
  map: ReadonlyMap<K, V>,
  encode: (entry: readonly [K, V]) => unknown,
) => {
  let entries: readonly (readonly [K, V])[] | undefined;
  return Array.from({ length: Math.ceil(map.size / entriesPerChunk) }, (_, index) =>
    jsonChunk(`${name}/${index}`, () => {
      entries ??= [...map];
      return entries.slice(index * entriesPerChunk, (index + 1) * entriesPerChunk).map(encode);
    }),
  );
};

/** What `entryChunks` stored, still encoded. */
export const entriesOf = (chunks: Chunks, name: string): readonly unknown[] => {
  const entries: unknown[] = [];
  for (let index = 0; chunks.has(`${name}/${index}`); index += 1)
    entries.push(...(jsonOf(chunks, `${name}/${index}`) as readonly unknown[]));
  return entries;
};
