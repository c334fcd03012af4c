import type { components } from '@scoreboard/client';

type Schemas = components['schemas'];

export type Leaderboard = Schemas['Leaderboard'];
export type Overview = Schemas['Overview'];
export type AdminEvent = Schemas['AdminEvent'];
export type AuditEntry = Schemas['AuditEntry'];
export type Action = Schemas['Action'];
export type Player = Schemas['ModeratedUser'];
export type PlayerDetails = Schemas['ModeratedUserDetails'];
export type Webhook = Schemas['Webhook'];
export type ServiceAccount = Schemas['ServiceAccount'];
export type Import = Schemas['Import'];
export type VoidPreview = Schemas['VoidPreview'];
export type WebhookDelivery = Schemas['WebhookDelivery'];
