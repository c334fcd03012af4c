import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { Judgement } from '../../schemas/moderation.js';
import {
  NewServiceAccount,
  Rotation,
  ServiceAccount,
  ServiceAccountParams,
  ServiceAccountSecret,
  ServiceAccounts,
  ServiceAccountsQuery,
} from '../../schemas/service-account.js';
import { actOf } from '../../src/audit.js';
import { BODY_FAULTS, invalid, problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'] };
const ONLY_ONES_OWN = 'An account with a scope that the caller does not have is refused.';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/service-accounts',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listServiceAccounts',
        summary: 'Service accounts, newest first',
        description: 'Also those that are revoked.',
        querystring: ServiceAccountsQuery,
        response: {
          200: answer(ServiceAccounts),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query }) =>
      app.cursors.page(
        'service accounts',
        query,
        (limit, before) => app.serviceAccounts.page(limit, before),
        ({ id }) => id,
      ),
  );

  app.post(
    '/service-accounts',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'createServiceAccount',
        summary: 'Make a service account',
        description: `With a role or with scopes. The secret is shown this once. ${ONLY_ONES_OWN}`,
        body: NewServiceAccount,
        response: {
          201: answer(ServiceAccountSecret),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'name-taken'),
        },
      },
    },
    async (request, reply) => {
      const { name, role, scopes } = request.body;
      if ((role === undefined) === (scopes === undefined))
        throw invalid('/', 'must name either role or scopes');
      const powers = role === undefined ? { scopes: scopes ?? [] } : { role };
      const act = { ...actOf(request), scopes: request.user.scopes };
      const account = await app.serviceAccounts.create(name, powers, act);
      return reply.code(201).header('location', `/v1/admin/service-accounts/${account.id}`).send(account);
    },
  );

  app.get(
    '/service-accounts/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'getServiceAccount',
        summary: 'A service account',
        params: ServiceAccountParams,
        response: {
          200: answer(ServiceAccount),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.serviceAccounts.one(request.params.id),
  );

  app.post(
    '/service-accounts/:id/rotate',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'rotateServiceAccount',
        summary: 'Make another secret for a service account',
        description: `The secret before works for \`overlapSeconds\` more. Access tokens that were issued for it stay good until they expire: if it was leaked, revoke the account. ${ONLY_ONES_OWN}`,
        params: ServiceAccountParams,
        body: Rotation,
        response: {
          200: answer(ServiceAccountSecret),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => {
      const act = { ...actOf(request), scopes: request.user.scopes };
      return app.serviceAccounts.rotate(request.params.id, request.body, act);
    },
  );

  app.post(
    '/service-accounts/:id/revoke',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'revokeServiceAccount',
        summary: 'Revoke a service account',
        description: `Its secret and its access tokens stop working, at once on the instance that answers, within a second on the others. An account that is revoked is not changed. ${ONLY_ONES_OWN}`,
        params: ServiceAccountParams,
        body: Judgement,
        response: {
          200: answer(ServiceAccount),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    async (request) => {
      const act = { ...actOf(request), scopes: request.user.scopes };
      const account = await app.serviceAccounts.revoke(request.params.id, act);
      app.revocations.remember(account.id);
      return account;
    },
  );
};

export default routes;
