/** All conversations of the signed-in person, fed from the connection. */
import type { Api } from '../api';
import type { Files } from '../files';
import type { ConversationId } from '../generated/realtime';
import type { Realtime } from '../realtime';
import type { Session } from '../session';
import { Conversation } from './conversation';
import type { LocalStorage } from './storage';

export interface ChatDeps {
  session: Session;
  api: Api;
  realtime: Realtime;
  files: Files;
  /** The device's storage of the person who is signed in. */
  storage: () => LocalStorage;
}

export class Chat {
  private readonly conversations = new Map<ConversationId, Conversation>();
  private wasOnline = false;

  constructor(private readonly deps: ChatDeps) {
    const { realtime, session } = deps;
    realtime.on('chat.message', (data) => this.conversations.get(data.conversation)?.handleMessage(data.message));
    realtime.on('chat.change', (data) => this.conversations.get(data.conversation)?.handleChange(data));
    realtime.on('chat.head', (data) => this.conversations.get(data.conversation)?.handleHead(data));
    realtime.on('chat.receipt', (data) => this.conversations.get(data.conversation)?.handleReceipt(data));
    realtime.on('chat.typing', (data) => this.conversations.get(data.conversation)?.handleTyping(data));
    realtime.subscribe(() => this.handleConnection());
    session.onSignedOut(() => this.clear());
  }

  /** The same object for the same id until sign-out. Needs a signed-in person. */
  conversation(id: ConversationId): Conversation {
    const known = this.conversations.get(id);
    if (known) return known;
    const me = this.deps.session.me;
    if (!me) throw new Error('nobody is signed in');
    const conversation = new Conversation(id, {
      me: me.id,
      kind: me.kind,
      realtime: this.deps.realtime,
      api: this.deps.api,
      files: this.deps.files,
      storage: this.deps.storage(),
    });
    this.conversations.set(id, conversation);
    return conversation;
  }

  /** Sends what waits from earlier visits; call after sign-in. */
  async resume(): Promise<void> {
    for (const id of await this.deps.storage().outboxConversations()) {
      if (this.deps.session.me) void this.conversation(id).drain();
    }
  }

  private handleConnection(): void {
    const { online } = this.deps.realtime;
    if (online === this.wasOnline) return;
    this.wasOnline = online;
    for (const conversation of this.conversations.values()) {
      if (online) conversation.handleOnline();
      else conversation.handleOffline();
    }
  }

  private clear(): void {
    for (const conversation of this.conversations.values()) conversation.dispose();
    this.conversations.clear();
  }
}
