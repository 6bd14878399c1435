/** A frame's JSON text, or its UTF-8 bytes. */
export type Frame = string | Uint8Array;

/**
 * Frames in order, with their bytes. A string's length says its bytes only for ASCII, and measuring each one would cost
 * as much as queueing it: so only lengths are summed (a UTF-16 unit is at most 3 bytes of UTF-8), and frames are
 * measured, once each, when three times that sum would exceed the bound.
 */
export const createMeasuredFrames = (): MeasuredFrames => new MeasuredFrames();

export type { MeasuredFrames };

class MeasuredFrames {
  private frames: Frame[] = [];
  private head = 0;
  /** Frames before this index count in `measured`, those from it on in `unmeasuredUnits`. */
  private measuredTo = 0;
  private measured = 0;
  private unmeasuredUnits = 0;

  push(frame: Frame): void {
    this.frames.push(frame);
    this.unmeasuredUnits += frame.length;
  }

  /** In front of all that waits. */
  prepend(frame: Frame): void {
    this.frames.splice(this.head, 0, frame);
    if (this.head === this.measuredTo) this.unmeasuredUnits += frame.length;
    else {
      this.measured += sizeOf(frame);
      this.measuredTo++;
    }
  }

  peek(): Frame | undefined {
    return this.frames[this.head];
  }

  shift(): Frame {
    const frame = this.frames[this.head] ?? "";
    if (this.head < this.measuredTo) this.measured -= sizeOf(frame);
    else {
      this.measuredTo = this.head + 1;
      this.unmeasuredUnits -= frame.length;
    }
    this.head++;
    if (this.head === this.frames.length) this.clear();
    else if (this.head >= 1024 && this.head * 2 > this.frames.length) {
      this.frames = this.frames.slice(this.head);
      this.measuredTo -= this.head;
      this.head = 0;
    }
    return frame;
  }

  exceeds(bytes: number): boolean {
    if (this.measured + 3 * this.unmeasuredUnits <= bytes) return false;
    this.measure();
    return this.measured > bytes;
  }

  bytes(): number {
    this.measure();
    return this.measured;
  }

  /** Answers how many there were. */
  clear(): number {
    const count = this.frames.length - this.head;
    this.frames.length = 0;
    this.head = this.measuredTo = this.measured = this.unmeasuredUnits = 0;
    return count;
  }

  private measure(): void {
    for (; this.measuredTo < this.frames.length; this.measuredTo++)
      this.measured += sizeOf(this.frames[this.measuredTo] ?? "");
    this.unmeasuredUnits = 0;
  }
}

const sizeOf = (frame: Frame): number => (typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength);
