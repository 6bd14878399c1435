import { connectS3 } from "../../infra/blob-store/s3/client.js";
import { openS3 } from "../../infra/blob-store/s3/blob-store.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import type { Check } from "./check.js";
import { probe, type Finding } from "./probe.js";

const name = "s3";
const mends = {
  away: "Start the S3 server, and check PARLEY_S3_URL, PARLEY_S3_REGION, PARLEY_S3_ACCESS_KEY and PARLEY_S3_SECRET_KEY",
  refused:
    "The S3 server is there and refuses us: check PARLEY_S3_ACCESS_KEY, PARLEY_S3_SECRET_KEY and PARLEY_S3_REGION, and what the keys may do with PARLEY_S3_BUCKET",
  tls: "Name the authority of its certificate by NODE_EXTRA_CA_CERTS=FILE, and in PARLEY_S3_URL the host as the certificate has it; http:// where it speaks no TLS",
};
/** A request that has no answer by then has none. */
const requestMsMax = 2_000;
/** `doctor` tells what is wrong all the same: an operator has named this server, and will rely on it. */
const unused = "nothing uses it yet, files are not served";

/** Tries what Parley needs of it, in a bucket that is there: making one is for the start. */
export const lookAtS3 = ({ s3 }: DistributedConfig): Promise<Finding<undefined>> =>
  probe(name, mends, async () => {
    if (s3 === undefined) return { checks: [{ name, state: "ok", says: `not configured (PARLEY_S3_URL); ${unused}` }] };
    const options = { ...s3, requestMsMax };
    if (!(await connectS3(s3.url, options).bucketExists(s3.bucket))) {
      const says = `the server answers; the bucket ${s3.bucket} is not there; ${unused}`;
      const make = "The first start makes it, if the keys may; else make it";
      return { checks: [{ name, state: "warning", says, mend: make }] };
    }
    const { missing } = await openS3(options).conformance();
    const says = `bucket ${s3.bucket}: ${missing.some(({ needed }) => needed) ? "the server lacks what Parley needs" : "the server has what Parley needs"}`;
    const lacks = missing.map(({ feature, needed, problem, fix }): Check => ({
      name: `s3 ${feature}`,
      state: needed ? "wrong" : "warning",
      says: problem,
      mend: fix,
    }));
    // Not tried: this machine need not reach it.
    const signedFor = s3.publicUrl === undefined ? "" : `; URLs are signed for ${s3.publicUrl}`;
    const state = missing.some(({ needed }) => needed) ? "wrong" : "ok";
    return { checks: [{ name, state, says: `${says}${signedFor}; ${unused}` }, ...lacks] };
  });
