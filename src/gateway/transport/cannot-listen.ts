/** What keeps a server from listening, by the code of Node's error, and the setting that mends it. */
export const cannotListen = (address: { readonly host: string; readonly port: number }, code?: string): Error => {
  const { host, port } = address;
  return new Error(`Parley cannot listen on ${host}:${port}: ${reasonOf(host, code)}`);
};

const reasonOf = (host: string, code: string | undefined): string => {
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name ${host} does not resolve. Name an address of this machine with --host (PARLEY_HOST).`;
    case "EADDRNOTAVAIL":
      return `${host} is not an address of this machine. Choose one with --host (PARLEY_HOST); 0.0.0.0 is all of them.`;
    case "EADDRINUSE":
      return `the port is in use. ${otherPort}`;
    case "EACCES":
      return `this user may not listen there. Choose another port with --port (PARLEY_PORT), from 1024 on.`;
    case undefined:
    default:
      return (
        `the port is in use or the address is not this machine's${code === undefined ? "" : ` (${code})`}. ` +
        `${otherPort} The address is --host (PARLEY_HOST).`
      );
  }
};

const otherPort = "Stop what uses it, or choose another with --port (0 takes a free one).";
