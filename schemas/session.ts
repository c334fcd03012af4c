import { type Static, Type } from '@sinclair/typebox';
import { ref } from './common.js';
import { DisplayName, Password, User, Username } from './user.js';

const TOKEN = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzY29yZWJvYXJkLWFwaSJ9.c2lnbmF0dXJl';

export const Session = Type.Object(
  {
    user: ref(User),
    accessToken: Type.String({ description: 'Sent as `Authorization: Bearer …`.' }),
    tokenType: Type.Literal('Bearer'),
    expiresIn: Type.Integer({ description: 'Seconds until the access token expires.' }),
    refreshToken: Type.String({ description: 'Opaque, valid for one use, which can be repeated for 30 s.' }),
    refreshExpiresIn: Type.Integer({ description: 'Seconds until the session ends.' }),
  },
  {
    $id: 'Session',
    description: 'An open session.',
    examples: [
      {
        user: {
          id: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
          displayName: 'Ada',
          username: null,
          role: 'player',
          createdAt: '2026-06-11T19:00:00.000Z',
        },
        accessToken: TOKEN,
        tokenType: 'Bearer',
        expiresIn: 86400,
        refreshToken: '01kcx7f0w4fjwb0m8c8hg5v3m2.J3k0…',
        refreshExpiresIn: 2592000,
      },
    ],
  },
);
export type Session = Static<typeof Session>;

export const GuestRequest = Type.Object(
  { displayName: Type.Optional(DisplayName) },
  // A client without anything to say need not send "{}".
  { additionalProperties: false, default: {}, examples: [{ displayName: 'Ada' }] },
);
export const Registration = Type.Object(
  { username: Username, password: Password, displayName: Type.Optional(DisplayName) },
  {
    additionalProperties: false,
    examples: [{ username: 'ada.l', password: 'correct horse battery staple', displayName: 'Ada' }],
  },
);
/** Any text may be tried: what cannot be right is answered like what is not. A password may be typed in a longer form. */
export const LoginRequest = Type.Object(
  { username: Type.String({ maxLength: 256 }), password: Type.String({ maxLength: 1_024 }) },
  {
    additionalProperties: false,
    examples: [{ username: 'ada.l', password: 'correct horse battery staple' }],
  },
);
export const RefreshRequest = Type.Object(
  { refreshToken: Type.String({ minLength: 1, maxLength: 512 }) },
  { additionalProperties: false, examples: [{ refreshToken: '01kcx7f0w4fjwb0m8c8hg5v3m2.J3k0…' }] },
);

/** RFC 6749, section 4.4. The id and the secret may come as HTTP Basic credentials instead. */
export const ClientCredentials = Type.Object(
  {
    grant_type: Type.Literal('client_credentials'),
    client_id: Type.Optional(Type.String({ maxLength: 64 })),
    client_secret: Type.Optional(Type.String({ maxLength: 256 })),
    scope: Type.Optional(
      Type.String({ maxLength: 256, description: 'Ignored: the role of the account decides.' }),
    ),
  },
  {
    examples: [
      { grant_type: 'client_credentials', client_id: 'svc_01kcx7f0w3e5tt9m6d7kq2x1zb', client_secret: 'k5…' },
    ],
  },
);
export const ServiceToken = Type.Object(
  { access_token: Type.String(), token_type: Type.Literal('Bearer'), expires_in: Type.Integer() },
  {
    $id: 'ServiceToken',
    description: 'An access token.',
    examples: [{ access_token: TOKEN, token_type: 'Bearer', expires_in: 86400 }],
  },
);
