import { isIP } from "node:net";

/** Whether only this machine reaches what listens on that host. A name other than localhost is not looked up: false. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
