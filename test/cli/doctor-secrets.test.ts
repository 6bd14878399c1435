import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withoutSecrets } from "../../src/operate/doctor/redact.js";
import { withSeed } from "../kit/seed.js";

const schemes = ["esdb", "mongodb+srv", "nats", "rediss", "http"];
/** With a digit in each of them, so that no word of the text around has one by chance. */
const secret = fc.stringMatching(/^[A-Za-z0-9@/:?#%,&$!. -]{6,20}7Q9$/);

describe("withoutSecrets", () => {
  test("takes passwords out of addresses, as they stand, encoded and decoded", () => {
    fc.assert(
      fc.property(fc.constantFrom(...schemes), secret, fc.boolean(), (scheme, password, isEncoded) => {
        const written = isEncoded ? encodeURIComponent(password) : password;
        const url = `${scheme}://user:${written}@host.example:1234/?tls=true`;
        const hidden = withoutSecrets({ PARLEY_MONGODB_URL: url })(`cannot read ${url}, it says ${password}`);
        expect(hidden).not.toContain(password);
        expect(hidden).not.toContain("7Q9");
        expect(hidden).toContain("cannot read");
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  test("takes the other secrets out, and those of each of several addresses", () => {
    const environment = {
      PARLEY_MASTER_KEY: " c2VjcmV0LWtleQ== ",
      PARLEY_TOKEN_SECRET: "token-of-all",
      PARLEY_S3_SECRET_KEY: "s3-of-all",
      PARLEY_NATS_URL: "nats://a:first-one@h1:4222,nats://second-one@h2:4222",
      PARLEY_REDIS_URL: "redis://h3?sslPassword=third-one&db=2",
      PARLEY_CELL: "main",
    };
    const text = Object.values(environment).join(" | ");
    expect(withoutSecrets(environment)(text)).toBe(
      " … | … | … | nats://a:…@h1:4222,nats://…@h2:4222 | redis://h3?sslPassword=…&db=2 | main".replace(" … ", "… "),
    );
  });

  test("leaves texts as they are where nothing is secret", () => {
    const hide = withoutSecrets({ PARLEY_REDIS_URL: "redis://127.0.0.1:6379", PARLEY_TOKEN_SECRET: "", PATH: "/bin" });
    expect(hide("redis at 127.0.0.1:6379 in /bin")).toBe("redis at 127.0.0.1:6379 in /bin");
  });
});
