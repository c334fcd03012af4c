import { type Scope, session } from './data/session.js';
import { texts } from './texts.js';

/** A place of the navigation. */
interface NavigationPlace {
  readonly title: string;
  readonly path: string;
  readonly scope: Scope;
  /** Goes there after `g`. */
  readonly key?: string;
}

const ALL: readonly NavigationPlace[] = [
  { title: texts.overview.title, path: '', scope: 'read', key: 'o' },
  { title: texts.held.title, path: 'held', scope: 'moderation', key: 'h' },
  { title: texts.players.title, path: 'players', scope: 'users:read', key: 'p' },
  { title: texts.boards.title, path: 'boards', scope: 'read', key: 'b' },
  { title: texts.actions.title, path: 'actions', scope: 'read', key: 'a' },
  { title: texts.webhooks.title, path: 'webhooks', scope: 'read', key: 'w' },
  { title: texts.accounts.title, path: 'accounts', scope: 'read' },
  { title: texts.data.title, path: 'data', scope: 'read' },
  { title: texts.audit.title, path: 'audit', scope: 'read', key: 'u' },
];

/** Those that this person may see. */
export const places = (): readonly NavigationPlace[] => ALL.filter(({ scope }) => session.may(scope));
