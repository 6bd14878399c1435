/** What a server's bytes mean. `buffer` is only valid during the call: the reader reuses it. */
export type FrameSink = (op: number, buffer: Buffer, start: number, end: number) => void;

export type FrameReader = {
  /** Takes the first `length` bytes of `chunk`; throws `ProtocolError` when they are no server's frames. */
  readonly push: (chunk: Buffer, length: number) => void;
};

export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** A server's frame is at most what one sync page holds; beyond it the stream is out of step. */
const frameBytesMax = 4 * 1024 * 1024;

/**
 * Cuts a byte stream into frames: several in one chunk, or one over several. Whole frames are handed out where they
 * lie; only the cut-off end of a chunk is copied, to wait for the next one.
 */
export const createFrameReader = (onFrame: FrameSink): FrameReader => {
  let carry = Buffer.allocUnsafe(4096);
  let carried = 0;

  /** Hands out all whole frames of `buffer[0, length)`; the number of bytes that they took. */
  const consume = (buffer: Buffer, length: number): number => {
    let at = 0;
    for (;;) {
      const header = headerBytes(buffer, at, length);
      if (header === 0) return at;
      const payload = payloadBytes(buffer, at);
      const end = at + header + payload;
      if (end > length) return at;
      onFrame((buffer[at] ?? 0) & 15, buffer, at + header, end);
      at = end;
    }
  };

  const keep = (chunk: Buffer, from: number, to: number): void => {
    const needed = carried + to - from;
    if (needed > frameBytesMax) throw new ProtocolError(`a frame above ${frameBytesMax} bytes`);
    if (needed > carry.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, carry.length * 2));
      carry.copy(larger, 0, 0, carried);
      carry = larger;
    }
    chunk.copy(carry, carried, from, to);
    carried = needed;
  };

  return {
    push: (chunk, length) => {
      if (carried === 0) {
        keep(chunk, consume(chunk, length), length);
        return;
      }
      keep(chunk, 0, length);
      const used = consume(carry, carried);
      carry.copyWithin(0, used, carried);
      carried -= used;
    },
  };
};

/** Bytes of the header at `at`; 0 while it is not all there. */
const headerBytes = (buffer: Buffer, at: number, length: number): number => {
  if (length - at < 2) return 0;
  const first = buffer[at] ?? 0;
  const second = buffer[at + 1] ?? 0;
  if ((first & 0xf0) !== 0x80) throw new ProtocolError("a fragment or an extension that was not negotiated");
  if ((second & 0x80) !== 0) throw new ProtocolError("a server must not mask");
  const header = second < 126 ? 2 : second === 126 ? 4 : 10;
  return length - at < header ? 0 : header;
};

const payloadBytes = (buffer: Buffer, at: number): number => {
  const short = (buffer[at + 1] ?? 0) & 127;
  if (short < 126) return short;
  if (short === 126) return buffer.readUInt16BE(at + 2);
  const high = buffer.readUInt32BE(at + 2);
  const low = buffer.readUInt32BE(at + 6);
  if (high > 0 || low > frameBytesMax) throw new ProtocolError(`a frame above ${frameBytesMax} bytes`);
  return low;
};
