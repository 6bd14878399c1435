import { readFileSync } from "node:fs";

/** Resident memory of a process. Needs /proc. */
export const residentKiB = (pid: number): number => {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  if (line === null) throw new Error(`process ${pid} does not say how much memory it uses`);
  return Number(line[1]);
};

/** Of all of them together, in millions of bytes. */
export const residentMB = (processes: readonly { readonly pid: number }[]): number =>
  processes.reduce((sum, { pid }) => sum + residentKiB(pid) * 1024, 0) / 1e6;
