import { E, t, type Either } from "../../../domain/kernel/fp.js";
import type { DeviceId, UserId } from "../../../domain/kernel/ids.js";
import type { Delivery } from "../../../projections/ports/bus.js";

/** What a gateway is told, in this order; `counter` grows by one with each request of a sender to that gateway. */
export type BusRequest = { readonly sender: string; readonly counter: number; readonly items: readonly BusItem[] };

export type BusItem =
  | {
      readonly kind: "frame";
      readonly recipients: readonly UserId[];
      readonly exceptDeviceId?: DeviceId;
      readonly frame: string;
    }
  | { readonly kind: "gone"; readonly userId: UserId; readonly deviceId: DeviceId };

/** An item made ready once for all requests and gateways that it goes to. */
export type EncodedItem = {
  /** Its entry in the header. */
  readonly head: string;
  readonly frame: string;
  readonly frameBytes: number;
  /** What it adds to a request, at most. */
  readonly bytes: number;
};

/** So much of a request is not items: the header's length, the sender, the counter. */
export const requestOverheadBytes = 1_024;

/**
 * A request on the wire: four bytes with the header's length, the header as JSON, the frames' bytes one after another.
 * Frames are JSON text already; in the header they would be escaped, and be parsed by gateways that only pass them on.
 */
export const encodeRequest = (sender: string, counter: number, items: readonly EncodedItem[]): Uint8Array => {
  const heads = items.map(({ head }) => head).join(",");
  const header = `{"s":${JSON.stringify(sender)},"n":${String(counter)},"items":[${heads}]}`;
  const headerBytes = Buffer.byteLength(header);
  const framesBytes = items.reduce((sum, { frameBytes }) => sum + frameBytes, 0);
  const data = Buffer.allocUnsafe(4 + headerBytes + framesBytes);
  data.writeUInt32BE(headerBytes, 0);
  let at = 4 + data.write(header, 4);
  for (const { frame } of items) at += data.write(frame, at);
  return data;
};

/** The request, or what is wrong with it: anything may arrive. */
export const decodeRequest = (data: Uint8Array): Either<string, BusRequest> => {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.length < 4) return E.left("shorter than its length field");
  const framesAt = 4 + bytes.readUInt32BE(0);
  if (framesAt > bytes.length) return E.left("shorter than its header");
  const header = parse(bytes.toString("utf8", 4, framesAt));
  if (!header) return E.left("a header that cannot be read");
  const items: BusItem[] = [];
  let at = framesAt;
  for (const item of header.items) {
    if ("gone" in item) {
      items.push({ kind: "gone", userId: item.gone[0], deviceId: item.gone[1] });
      continue;
    }
    const { r: recipients, x: exceptDeviceId, b } = item;
    if (at + b > bytes.length) return E.left("shorter than its frames");
    const frame = bytes.toString("utf8", at, at + b);
    at += b;
    items.push({ kind: "frame", recipients, frame, ...(exceptDeviceId === undefined ? {} : { exceptDeviceId }) });
  }
  if (at !== bytes.length) return E.left("longer than its frames");
  return E.right({ sender: header.s, counter: header.n, items });
};

const Size = t.refinement(t.number, (n) => Number.isSafeInteger(n) && n >= 0);
const Header = t.type({
  s: t.string,
  n: Size,
  items: t.array(
    t.union([
      t.type({ gone: t.tuple([t.string, t.string]) }),
      t.intersection([t.type({ r: t.array(t.string), b: Size }), t.partial({ x: t.string })]),
    ]),
  ),
});

const parse = (text: string): t.TypeOf<typeof Header> | undefined => {
  try {
    const header: unknown = JSON.parse(text);
    return Header.is(header) ? header : undefined;
  } catch {
    return undefined;
  }
};

/** The frame for those recipients, in as many items as keep each within `bytesMax`; one too large even so stays alone. */
export const encodeFrame = (
  { frame, exceptDeviceId }: Pick<Delivery, "frame" | "exceptDeviceId">,
  recipients: readonly UserId[],
  bytesMax: number,
): readonly EncodedItem[] => {
  const frameBytes = Buffer.byteLength(frame);
  const encode = (some: readonly UserId[]): readonly EncodedItem[] => {
    // An undefined `x` is left out.
    const head = JSON.stringify({ r: some, x: exceptDeviceId, b: frameBytes });
    const item = { head, frame, frameBytes, bytes: Buffer.byteLength(head) + 1 + frameBytes };
    if (item.bytes <= bytesMax || some.length <= 1) return [item];
    const middle = some.length >> 1;
    return [...encode(some.slice(0, middle)), ...encode(some.slice(middle))];
  };
  return encode(recipients);
};

export const encodeGone = (userId: UserId, deviceId: DeviceId): EncodedItem => {
  const head = JSON.stringify({ gone: [userId, deviceId] });
  return { head, frame: "", frameBytes: 0, bytes: Buffer.byteLength(head) + 1 };
};

/** How many, from the first, fit into one request; at least one, so that one too large is not for ever in front. */
export const countThatFits = <A>(waiting: readonly A[], bytesOf: (one: A) => number, bytesMax: number): number => {
  let bytes = 0;
  let count = 0;
  for (const one of waiting) {
    bytes += bytesOf(one);
    if (bytes > bytesMax) return Math.max(1, count);
    count++;
  }
  return count;
};
