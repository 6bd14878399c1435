/** An identity provider signs for all its applications with the same keys. */
export const anyAudience = "tokens that the identity provider issued for any of its applications are taken";
export const audienceFix = "Set PARLEY_JWT_AUDIENCE to the audience of the tokens that are meant for this server";
