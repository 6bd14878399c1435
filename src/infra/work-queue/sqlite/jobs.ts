/** The statements of the SQLite work queue. Every function is one short transaction. */
import type Database from "better-sqlite3";
import { StoreUnavailable } from "../../../projections/ports/away.js";
import type { DeadJob, Job, JobOutcome } from "../../../projections/ports/work-queue.js";

/** A job given out. `attempts` is its fence: a consumer that holds an older number no longer has it. */
export type Claim = Job & { readonly seq: number; readonly attempts: number };
export type Settled = { readonly claim: Claim; readonly outcome: JobOutcome };
type Totals = { readonly jobs: number; readonly bytes: number };
export type Limits = { readonly jobsMax: number; readonly bytesMax: number };

export type Turn = {
  readonly claimed: readonly Claim[];
  /** When the next job becomes visible; null when none waits. */
  readonly nextAt: number | null;
  /** Those for whose dead letters there was no room: they stay jobs. */
  readonly unburied: readonly Claim[];
};

/** Ids that one enqueue forgets at most, so that it stays short after a busy time. */
const forgottenMax = 1_000;

export const sqliteJobs = (db: Database.Database, limits: Limits) => {
  const totals = db.prepare<[string], Totals>("select jobs, bytes from totals where name = ?");
  const hasRoom = (table: "jobs" | "dead", payload: string): boolean => {
    const { jobs, bytes } = totals.get(table) ?? { jobs: 0, bytes: 0 };
    return jobs < limits.jobsMax && bytes + Buffer.byteLength(payload) <= limits.bytesMax;
  };
  const insert = db.prepare<[string, string, number]>("insert into jobs (id, payload, visible_at) values (?, ?, ?)");
  const add = ({ id, payload }: Job, now: number): void => {
    if (!hasRoom("jobs", payload))
      throw new StoreUnavailable(`the work queue is full: at most ${limits.jobsMax} jobs, ${limits.bytesMax} bytes`);
    insert.run(id, payload, now);
  };
  return {
    enqueue: enqueueWith(db, add),
    ...turns(db, hasRoom),
    ...deadLetters(db, add),
    stats: () => ({ waiting: totals.get("jobs")?.jobs ?? 0, dead: totals.get("dead")?.jobs ?? 0 }),
  };
};
export type SqliteJobs = ReturnType<typeof sqliteJobs>;

const enqueueWith = (db: Database.Database, add: (job: Job, now: number) => void) => {
  const forget = db.prepare<[number, number]>(
    "delete from recent where id in (select id from recent where until <= ? limit ?)",
  );
  const remember = db.prepare<[string, number, number]>(
    "insert into recent values (?, ?) on conflict (id) do update set until = excluded.until where recent.until <= ?",
  );
  const all = db.transaction((jobs: readonly Job[], now: number, until: number): void => {
    forget.run(now, forgottenMax);
    for (const job of jobs) if (remember.run(job.id, until, now).changes > 0) add(job, now);
  });
  /** All of the jobs or none. @throws StoreUnavailable when they are too many. */
  return (jobs: readonly Job[], now: number, until: number): void => {
    all.immediate(jobs, now, until);
  };
};

const turns = (db: Database.Database, hasRoom: (table: "dead", payload: string) => boolean) => {
  const claim = db.prepare<[number, number, number], Claim>(
    `update jobs set attempts = attempts + 1, visible_at = ? where seq in
       (select seq from jobs where visible_at <= ? order by visible_at, seq limit ?)
     returning seq, id, payload, attempts`,
  );
  const next = db.prepare<[], number | null>("select min(visible_at) from jobs").pluck();
  const remove = db.prepare<[number]>("delete from jobs where seq = ?");
  const removeHeld = db.prepare<[number, number]>("delete from jobs where seq = ? and attempts = ?");
  const show = db.prepare<[number, number, number]>("update jobs set visible_at = ? where seq = ? and attempts = ?");
  const forgetDead = db.prepare<[string]>("delete from dead where id = ?");
  const bury = db.prepare<[string, string, string, number, number]>(
    "insert into dead (id, payload, reason, attempts, died_at) values (?, ?, ?, ?, ?)",
  );
  /** False when there is no room. A later death of the same id takes the earlier one's place. */
  const settle = ({ claim: { seq, id, payload, attempts }, outcome }: Settled, now: number): boolean => {
    switch (outcome.kind) {
      case "done":
        // Done is done, also when the job was given to another meanwhile.
        remove.run(seq);
        return true;
      case "retry":
        show.run(now + outcome.afterMs, seq, attempts);
        return true;
      case "dead":
        if (!hasRoom("dead", payload)) return false;
        if (removeHeld.run(seq, attempts).changes === 0) return true;
        forgetDead.run(id);
        bury.run(id, payload, outcome.reason, attempts, now);
        return true;
    }
  };
  const turn = db.transaction((settled: readonly Settled[], free: number, now: number, until: number): Turn => {
    const unburied = settled.filter((one) => !settle(one, now)).map((one) => one.claim);
    const claimed = free > 0 ? claim.all(until, now, free) : [];
    return { claimed, nextAt: next.get() ?? null, unburied };
  });
  const extend = db.transaction((claims: readonly Claim[], until: number): void => {
    for (const { seq, attempts } of claims) show.run(until, seq, attempts);
  });
  return {
    /** Writes down what became of earlier claims, then claims at most `free` jobs until the time `until`. */
    turn: (settled: readonly Settled[], free: number, now: number, until: number): Turn =>
      turn.immediate(settled, free, now, until),
    /** Keeps the claims from others until then. */
    extend: (claims: readonly Claim[], until: number): void => {
      extend.immediate(claims, until);
    },
  };
};

const deadLetters = (db: Database.Database, add: (job: Job, now: number) => void) => {
  const page = db.prepare<[string | null, number], DeadJob>(
    `select id, payload, reason, attempts, died_at as diedAt from dead
     where seq > coalesce((select seq from dead where id = ?), 0) order by seq limit ?`,
  );
  const take = db.prepare<[string], Job>("delete from dead where id = ? returning id, payload");
  const redrive = db.transaction((ids: readonly string[], now: number): number => {
    const found = ids.map((id) => take.get(id)).filter((job) => job !== undefined);
    for (const job of found) add(job, now);
    return found.length;
  });
  const remove = db.transaction(
    (ids: readonly string[]): number => ids.filter((id) => take.get(id) !== undefined).length,
  );
  return {
    dead: (after: string | undefined, limit: number): readonly DeadJob[] => page.all(after ?? null, limit),
    redrive: (ids: readonly string[], now: number): number => redrive.immediate(ids, now),
    removeDead: (ids: readonly string[]): number => remove.immediate(ids),
  };
};
