import { readDevelopmentSecrets } from '../../src/config.js';
import { newId } from '../../src/ids.js';
import { accessToken, actionToken } from '../mint.js';
import { ReplayError } from './replay-error.js';

/** The id of the game server that the replay acts as. */
const GAME_SERVER = newId('svc');

/** In seconds; longer than the replay retries. */
const ACTION_TOKEN_LIFETIME = 60;
/** In seconds: tokens are valid from this long ago, because the clock of the service may be behind this one. */
const CLOCK_SKEW = 60;

/** How the game server authenticates: with access tokens that it signs itself, or as a service account. */
export type Identity =
  | { readonly jwtSecret: string }
  | { readonly clientId: string; readonly clientSecret: string };

export interface Credentials {
  readonly identity: Identity;
  readonly actionTokenSecret: string;
}

/**
 * Credentials from the environment, or without them the secrets that `npm start` generated in this folder.
 * @throws ReplayError if there are neither
 */
export function findCredentials(environment: Record<string, string | undefined>): Credentials {
  const { JWT_SECRET, ACTION_TOKEN_SECRET, SCOREBOARD_CLIENT_ID, SCOREBOARD_CLIENT_SECRET } = environment;
  return {
    identity:
      SCOREBOARD_CLIENT_ID && SCOREBOARD_CLIENT_SECRET
        ? { clientId: SCOREBOARD_CLIENT_ID, clientSecret: SCOREBOARD_CLIENT_SECRET }
        : { jwtSecret: JWT_SECRET || generatedSecret('JWT_SECRET') },
    actionTokenSecret: ACTION_TOKEN_SECRET || generatedSecret('ACTION_TOKEN_SECRET'),
  };
}

function generatedSecret(name: 'JWT_SECRET' | 'ACTION_TOKEN_SECRET'): string {
  try {
    return readDevelopmentSecrets()[name];
  } catch (cause) {
    throw new ReplayError(
      `There is no ${name} here: run this in the folder where \`npm start\` runs, or set ${name} as the service has it.`,
      { cause },
    );
  }
}

/** An access token that is valid for an hour. */
export const signAccessToken = (secret: string, role: 'server' | 'admin'): string =>
  accessToken({ sub: GAME_SERVER, role }, secret, 3600);

/** The token for one goal: one point of this action for this user. */
export function issueActionToken(userId: string, action: string, secret: string): string {
  const nbf = Math.floor(Date.now() / 1000) - CLOCK_SKEW;
  return actionToken({ sub: userId, act: action, pts: [1, 1], nbf }, secret, ACTION_TOKEN_LIFETIME);
}
