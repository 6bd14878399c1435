/**
 * The gRPC library names every host in its TLS greeting, also one that is an IP address, of which Node warns (DEP0123).
 * Without that name the certificate is checked against the address all the same.
 */
import { isIP } from "node:net";
import { credentials } from "@grpc/grpc-js";

type Connector = { readonly connectionOptions?: { servername?: string } };
type Secure = { _createSecureConnector?: (...args: unknown[]) => Connector };

let done = false;

/** For all clients of the process: discovery has connections of its own. A library of another make keeps its warning. */
export const nameNoAddresses = (): void => {
  if (done) return;
  done = true;
  const secure = Object.getPrototypeOf(credentials.createSsl()) as Secure;
  const original = secure._createSecureConnector;
  if (original === undefined) return;
  secure._createSecureConnector = function (...args) {
    const connector = original.apply(this, args);
    const options = connector.connectionOptions;
    if (options?.servername !== undefined && isIP(options.servername) !== 0) delete options.servername;
    return connector;
  };
};
