/** Who types: the own signal, sent rarely, and those of others, which expire by themselves. */
import type { ConversationId, TypingView } from '../generated/realtime';
import type { Realtime } from '../realtime';

/** The server forgets after 6 s; renewed well before. */
const RENEW_MS = 3_500;
const EXPIRE_MS = 6_000;
/** The pause after which the own signal ends. */
const IDLE_MS = 5_000;

export class Typing {
  private readonly others = new Map<string, { view: TypingView; timer: ReturnType<typeof setTimeout> }>();
  private sentAt = 0;
  private idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly conversation: ConversationId,
    private readonly realtime: Realtime,
    private readonly changed: () => void,
  ) {}

  list(): TypingView[] {
    return [...this.others.values()].map((entry) => entry.view);
  }

  setOwn(typing: boolean): void {
    clearTimeout(this.idleTimer);
    if (typing) {
      this.idleTimer = setTimeout(() => this.setOwn(false), IDLE_MS);
      if (Date.now() - this.sentAt < RENEW_MS) return;
      this.sentAt = Date.now();
    } else {
      if (this.sentAt === 0) return;
      this.sentAt = 0;
    }
    this.realtime.send('chat.typing', { conversation: this.conversation, typing });
  }

  handle(view: TypingView): void {
    this.forget(view.person);
    if (view.typing) {
      const timer = setTimeout(() => {
        this.forget(view.person);
        this.changed();
      }, EXPIRE_MS);
      this.others.set(view.person, { view, timer });
    }
    this.changed();
  }

  /** A message arrived from this person, or everybody is gone. */
  forget(person: string): void {
    const entry = this.others.get(person);
    if (entry) clearTimeout(entry.timer);
    this.others.delete(person);
  }

  clear(): void {
    clearTimeout(this.idleTimer);
    this.sentAt = 0;
    for (const person of [...this.others.keys()]) this.forget(person);
  }
}
