import { operator, recordAccess } from "../operate/access.js";
import { isLocked } from "../operate/inspect/stores.js";
import type { Target } from "../operate/target.js";
import { BadConfig } from "../settings/config.js";
import type { ReasonOptions } from "./options.js";
import { note } from "./output.js";

/** A privileged read of a command: which, and what it is about. What is undefined is not part of its scope. */
export type PrivilegedRead = {
  readonly kind: string;
  readonly scope: Readonly<Record<string, string | number | undefined>>;
};

/**
 * What every command does before it opens what people wrote: the log is told who, what and why, and only when it has that
 * may the command go on.
 * @throws (rejects) BadConfig without a reason; whatever keeps the log from being told
 */
export const recordFirst = async (target: Target, options: ReasonOptions, read: PrivilegedRead): Promise<void> => {
  const { reason, unrecorded } = options;
  if (unrecorded === true) {
    refuseUnrecorded(target);
    note("parley: UNRECORDED: no log is told that this was opened. Keep what is shown to yourself.");
    return;
  }
  if (reason === undefined)
    throw new BadConfig([
      'this shows what people wrote, and the log is told why: add --reason TEXT, such as --reason "ticket 4711" (of a copy of a data directory: --unrecorded)',
    ]);
  const scope = Object.entries(read.scope).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as const],
  );
  const position = await recordAccess(target, { kind: read.kind, reason, scope: Object.fromEntries(scope) });
  note(`parley: recorded at ${position} as a privileged read by ${operator().userId ?? "an operator without a name"}.`);
};

/** Whatever a server has, or engines have, is no copy. */
const refuseUnrecorded = (target: Target): void => {
  if (target.profile === "distributed")
    throw new BadConfig([
      "--unrecorded is for a copy of a data directory: of engines every privileged read is recorded",
    ]);
  if (isLocked(target.dir))
    throw new BadConfig([`--unrecorded is for copies, and a server has ${target.dir}: give --reason TEXT instead`]);
};
