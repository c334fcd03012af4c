/** SQL: whether the scores of a user count and are not shown. Who is banned knows it; who is hidden does not. */
export const isWithheld = (user: string): string =>
  `(${user}.banned_at IS NOT NULL OR ${user}.hidden_at IS NOT NULL)`;

/** SQL: those users. There are few, and each condition is that of an index. */
export const WITHHELD_USERS = `
SELECT id FROM users WHERE banned_at IS NOT NULL UNION ALL SELECT id FROM users WHERE hidden_at IS NOT NULL`;
