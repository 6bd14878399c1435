import { streamId, type StreamName } from "../domain/kernel/stream.js";

/**
 * Which of `count` partitions a stream is of: those of one conversation, or one user, are of the same. FNV-1a over the
 * id's UTF-16 units. Kept for ever: checkpoints are stored by partition.
 */
export const partitionOf = (stream: StreamName, count: number): number => {
  const id = streamId(stream);
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % count;
};
