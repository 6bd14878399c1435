import { isIP } from "node:net";

/** Whether only this machine reaches what listens on that host. A name other than localhost is not looked up: false. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

/** How the log would be served on a port of its own. */
export type Exposure = {
  readonly host: string;
  readonly token?: string;
  readonly writable: boolean;
  readonly tls?: object;
};

/** What would let strangers in: they could read without a token, or write with one that they heard in plain text. */
export const exposuresOf = ({ host, token, writable, tls }: Exposure): readonly ("noToken" | "tokenInPlainText")[] => {
  if (isLoopback(host)) return [];
  return [
    ...(token === undefined || token === "" ? (["noToken"] as const) : []),
    ...(writable && tls === undefined ? (["tokenInPlainText"] as const) : []),
  ];
};
