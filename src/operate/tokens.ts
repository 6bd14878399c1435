import { userIdCodec, type DeviceId, type UserId } from "../domain/kernel/ids.js";
import { signToken } from "../infra/auth/jwt.js";
import { loadOrCreateSecret } from "../infra/auth/secret.js";
import { givenTokenSecret } from "../settings/token-secret.js";

export { isUserId } from "../domain/kernel/ids.js";
/** What a user's and a device's id look like, in words. */
export const idForm = userIdCodec.name;

/** A token for a user's device, signed as the server that uses this data directory (or environment) expects it. */
export const issueToken = async (
  dataDir: string,
  actor: { readonly userId: UserId; readonly deviceId: DeviceId },
  ttlSeconds: number,
): Promise<string> =>
  signToken(actor, { secret: await loadOrCreateSecret(dataDir, givenTokenSecret(process.env)), ttlSeconds });
