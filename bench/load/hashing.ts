/** The settings of argon2id that the service hashes passwords with (OWASP Password Storage Cheat Sheet, the second of the equivalents). */
export const HASHING = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
