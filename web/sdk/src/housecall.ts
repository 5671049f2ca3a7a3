/** Everything together, wired: what an app creates once. */
import { Api } from './api';
import { Calls } from './call/calls';
import { Chat } from './chat/chat';
import { LocalStorage } from './chat/storage';
import { Files } from './files';
import type { PersonKind } from './generated/realtime';
import { Realtime } from './realtime';
import { Session } from './session';

export interface Housecall {
  session: Session;
  api: Api;
  realtime: Realtime;
  chat: Chat;
  files: Files;
  calls: Calls;
}

export interface HousecallOptions {
  kind: PersonKind;
  /** Keeps messages and files on the device, for reading without a network. */
  cacheMessages: boolean;
}

export function createHousecall(options: HousecallOptions): Housecall {
  const session = new Session({ kind: options.kind });
  const api = new Api(session);
  const realtime = new Realtime(session);
  let storage: LocalStorage | null = null;

  const storageOf = (person: string): LocalStorage => {
    const wanted = LocalStorage.for(options.kind, person, options.cacheMessages);
    if (storage?.name !== wanted.name) storage = wanted;
    return storage;
  };
  const current = (): LocalStorage | null => (session.me ? storageOf(session.me.id) : null);

  const files = new Files(api, current);
  const chat = new Chat({
    session,
    api,
    realtime,
    files,
    storage: () => current() ?? new LocalStorage('housecall-nobody', false),
  });
  const calls = new Calls({ session, realtime });

  session.onSignedOut((reason) => {
    files.clear();
    void (reason === 'signed_out' ? storage?.destroy() : storage?.forgetRead());
    storage = null;
  });
  return { session, api, realtime, chat, files, calls };
}
