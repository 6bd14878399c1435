import { pause } from "../../../../lib/time.js";
import { entryOf, liveOf, withState, type Pointer } from "./pointer.js";
import type { Standing } from "./standing.js";

export type Joining = {
  readonly load: () => Promise<Standing>;
  readonly change: (next: (now: Standing) => Pointer | undefined) => Promise<Pointer>;
  readonly number: number;
  readonly msMax: number;
};

const lookEveryMs = 50;

/** Some partitions go on without the generation: nobody works on them, or somebody who does not know of generations. */
export class NotJoined extends Error {
  constructor(generation: number, partitions: readonly number[]) {
    super(
      `Generation ${generation} of the views was not switched to: the projectors of the partitions ${partitions.join(" ")} do not ` +
        "write it. Do all projectors run, and are all of this version? parley projections status --profile distributed " +
        "names them; then run the same command again",
    );
    this.name = "NotJoined";
  }
}

/**
 * Resolves when the generation has all that the live one has, in every partition: so it is once projectors write both, or
 * while nothing happens. A process that does not write it moves the live one's checkpoint alone.
 * @throws NotJoined when that does not come, and then nobody writes the generation any more
 */
export const untilJoined = async ({ load, change, number, msMax }: Joining): Promise<void> => {
  const until = performance.now() + msMax;
  for (;;) {
    const behind = partitionsBehind(await load(), number);
    if (behind.length === 0) return;
    if (performance.now() > until) {
      await change(({ pointer }) =>
        entryOf(pointer, number)?.state === "joining" ? withState(pointer, number, "ready") : undefined,
      );
      throw new NotJoined(number, behind);
    }
    await pause(lookEveryMs);
  }
};

const partitionsBehind = (standing: Standing, number: number): readonly number[] => {
  const own = standing.checkpoints(number);
  return standing
    .checkpoints(liveOf(standing.pointer))
    .flatMap((live, partition) => ((own[partition]?.position ?? -1) < (live?.position ?? -1) ? [partition] : []));
};
