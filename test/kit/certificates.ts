/** Certificates that sign themselves, and servers with them, for what a client says of one that it does not trust. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Certificate = { readonly keyFile: string; readonly certFile: string };

/** For those names, as `subjectAltName` has them. `isExpired`: it was valid for a day of 2020. */
export const makeCertificate = (dir: string, names: string, isExpired = false): Certificate => {
  mkdirSync(dir, { recursive: true });
  const file = (name: string): string => join(dir, name);
  const [keyFile, certFile, config] = [file("key.pem"), file("cert.pem"), file("ca.cnf")];
  const openssl = (...args: readonly string[]): void => {
    execFileSync("openssl", args, { stdio: "ignore" });
  };
  const subject = ["-subj", "/CN=nobody", "-addext", `subjectAltName=${names}`];
  openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", keyFile, "-out", file("request.pem"), ...subject);
  writeFileSync(file("index"), "");
  writeFileSync(file("serial"), "01\n");
  writeFileSync(config, authority(dir));
  // `openssl req -x509` takes no day that is over.
  const dates = isExpired ? ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] : ["-days", "2"];
  const signed = ["-batch", "-config", config, "-selfsign", "-keyfile", keyFile, "-in", file("request.pem")];
  openssl("ca", ...signed, "-out", certFile, "-notext", ...dates);
  return { keyFile, certFile };
};

const authority = (dir: string): string => `[ca]
default_ca = own
[own]
database = ${join(dir, "index")}
serial = ${join(dir, "serial")}
new_certs_dir = ${dir}
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`;
