/** RFC 6455 frames by hand: the client's side, without extensions and without fragmentation. */

export const opcode = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * One key for every frame. A client must choose it at random against hostile proxies; on a loopback socket that only
 * costs the load generator time, while the server unmasks the same number of bytes.
 */
const maskKey = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const maskAt = (index: number): number => maskKey[index & 3] ?? 0;

const headerOf = (op: number, payloadBytes: number): Buffer => {
  const first = 0x80 | op;
  if (payloadBytes < 126) return Buffer.from([first, 0x80 | payloadBytes, ...maskKey]);
  if (payloadBytes < 65536) return Buffer.from([first, 0x80 | 126, payloadBytes >> 8, payloadBytes & 255, ...maskKey]);
  throw new RangeError(`a frame of ${payloadBytes} bytes is beyond what the benchmark sends`);
};

/** A masked frame, ready for the socket. `payload` is below 64 KiB. */
export const clientFrame = (op: number, payload: Buffer): Buffer => {
  const frame = Buffer.concat([headerOf(op, payload.length), payload]);
  const start = frame.length - payload.length;
  for (let i = 0; i < payload.length; i++) frame[start + i] = (payload[i] ?? 0) ^ maskAt(i);
  return frame;
};

/** Digits of the number that makes each message its own: 10^12 messages are enough for any run. */
export const numberDigits = 12;
export const numberSlot = "#".repeat(numberDigits);

/** A masked frame with one or more slots for a number, so that sending a message is a copy and a few digits. */
export type FrameTemplate = {
  readonly bytes: number;
  /** Writes the frame for `number` into `target` at `offset`. */
  readonly stamp: (target: Buffer, offset: number, number: number) => void;
};

/** `text` is the frame's JSON with `numberSlot` wherever the number belongs. */
export const frameTemplate = (text: string): FrameTemplate => {
  const payload = Buffer.from(text, "utf8");
  const frame = clientFrame(opcode.text, payload);
  const header = frame.length - payload.length;
  const slots: number[] = [];
  for (let at = payload.indexOf(numberSlot); at >= 0; at = payload.indexOf(numberSlot, at + numberDigits))
    slots.push(at);
  if (slots.length === 0) throw new RangeError("the frame has no slot for a number");
  return {
    bytes: frame.length,
    stamp: (target, offset, number) => {
      frame.copy(target, offset);
      for (let digit = numberDigits - 1, rest = number; digit >= 0; digit--) {
        const code = 48 + (rest % 10);
        rest = Math.floor(rest / 10);
        for (const slot of slots) target[offset + header + slot + digit] = code ^ maskAt(slot + digit);
      }
    },
  };
};
