/** A frame's JSON text, or its UTF-8 bytes. */
export type Frame = string | Uint8Array;

/**
 * Frames in order, with their bytes. A string's length says its bytes only for ASCII, and measuring each one would cost
 * as much as queueing it: so only lengths are summed (a UTF-16 unit is at most 3 bytes of UTF-8), and frames are
 * measured, once each, when three times that sum would exceed the bound.
 */
export const createMeasuredFrames = () => {
  let frames: Frame[] = [];
  let head = 0;
  /** Frames before this index count in `measured`, those from it on in `unmeasuredUnits`. */
  let measuredTo = 0;
  let measured = 0;
  let unmeasuredUnits = 0;

  const sizeOf = (frame: Frame) => (typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength);
  const measure = () => {
    for (; measuredTo < frames.length; measuredTo++) measured += sizeOf(frames[measuredTo] ?? "");
    unmeasuredUnits = 0;
  };
  const clear = () => {
    const count = frames.length - head;
    frames.length = 0;
    head = measuredTo = measured = unmeasuredUnits = 0;
    return count;
  };

  return {
    push: (frame: Frame) => {
      frames.push(frame);
      unmeasuredUnits += frame.length;
    },
    /** In front of all that waits. */
    prepend: (frame: Frame) => {
      frames.splice(head, 0, frame);
      if (head === measuredTo) unmeasuredUnits += frame.length;
      else {
        measured += sizeOf(frame);
        measuredTo++;
      }
    },
    peek: () => frames[head],
    shift: (): Frame => {
      const frame = frames[head] ?? "";
      if (head < measuredTo) measured -= sizeOf(frame);
      else {
        measuredTo = head + 1;
        unmeasuredUnits -= frame.length;
      }
      head++;
      if (head === frames.length) clear();
      else if (head >= 1024 && head * 2 > frames.length) {
        frames = frames.slice(head);
        measuredTo -= head;
        head = 0;
      }
      return frame;
    },
    exceeds: (bytes: number) => {
      if (measured + 3 * unmeasuredUnits <= bytes) return false;
      measure();
      return measured > bytes;
    },
    bytes: () => {
      measure();
      return measured;
    },
    /** How many there were. */
    clear,
  };
};
