/**
 * Who is signed in. The access token lives in memory only; the refresh token in
 * an HttpOnly cookie that this code never sees.
 */
import type { PersonKind } from './generated/realtime';
import { deviceId } from './ids';
import { Backoff } from './net/backoff';
import { ApiError, fetchChecked } from './net/errors';
import type { CodeSent, Me, TokenResponse } from './rest-types';
import { Emitter, Store } from './store';
import type { SessionState } from './types';

/** A token with less life than this is replaced before use. */
const MIN_LIFE_MS = 30_000;

interface Access {
  token: string;
  expiresAt: number;
}

type TabMessage = { kind: 'signed_out' } | { kind: 'signed_in'; person: string };

export class Session extends Store<SessionState> {
  readonly kind: PersonKind;
  readonly device = deviceId();
  private access: Access | null = null;
  private refreshing: Promise<string> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly backoff = new Backoff({ baseMs: 1_000, capMs: 30_000 });
  private readonly signedOut = new Emitter<['signed_out' | 'ended']>();
  private readonly refreshed = new Emitter<[string]>();
  private readonly tabs: BroadcastChannel | null;

  constructor(options: { kind: PersonKind }) {
    super({ status: 'restoring' });
    this.kind = options.kind;
    this.tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(`housecall.${options.kind}`);
    this.tabs?.addEventListener('message', (event: MessageEvent<TabMessage>) => this.handleTab(event.data));
    globalThis.addEventListener?.('online', () => {
      if (this.getSnapshot().status !== 'signed_out' && !this.access) void this.refresh().catch(() => undefined);
    });
  }

  /** Tries the refresh cookie; call once at start. */
  async restore(): Promise<void> {
    if (!this.wasSignedIn) {
      this.set({ status: 'signed_out', reason: 'fresh' });
      return;
    }
    try {
      await this.refresh();
    } catch {
      // A refusal has signed out. Otherwise it is tried again, meanwhile with what this device remembers.
      const cached = this.cachedMe();
      if (this.getSnapshot().status === 'restoring' && cached) this.set({ status: 'signed_in', me: cached, offline: true });
    }
  }

  async requestCode(phone: string): Promise<CodeSent> {
    const response = await this.post('code', { phone });
    return (await response.json()) as CodeSent;
  }

  async verifyCode(phone: string, code: string): Promise<Me> {
    return this.enter(await this.post('verify', { phone, code, device: this.device }));
  }

  async login(email: string, password: string): Promise<Me> {
    return this.enter(await this.post('login', { email, password, device: this.device }));
  }

  async signOut(): Promise<void> {
    const token = this.access?.token;
    // First here, so that nothing of this device asks with a token that is about to die.
    this.leave('signed_out');
    this.tabs?.postMessage({ kind: 'signed_out' } satisfies TabMessage);
    // Best effort: without a network the cookie stays, but this device has forgotten.
    await this.post('logout', {}, token).catch(() => undefined);
  }

  onSignedOut(listener: (reason: 'signed_out' | 'ended') => void): () => void {
    return this.signedOut.on(listener);
  }

  /** Called with each token that replaces an older one. */
  onRefreshed(listener: (token: string) => void): () => void {
    return this.refreshed.on(listener);
  }

  /** A token that is good for at least half a minute. */
  async token(): Promise<string> {
    if (this.access && this.access.expiresAt - Date.now() > MIN_LIFE_MS) return this.access.token;
    return this.refresh();
  }

  /** The server refused the present token: the next `token()` gets another. */
  invalidate(): void {
    this.access = null;
  }

  /** The server ended this session. */
  ended(): void {
    this.leave('ended');
  }

  /** After a profile change. */
  setMe(me: Me): void {
    const state = this.getSnapshot();
    if (state.status !== 'signed_in') return;
    this.cacheMe(me);
    this.set({ ...state, me });
  }

  get me(): Me | null {
    const state = this.getSnapshot();
    return state.status === 'signed_in' ? state.me : null;
  }

  /** One refresh at a time, also across tabs: the cookie rotates at each use. */
  private refresh(): Promise<string> {
    this.refreshing ??= this.refreshLocked().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  private async refreshLocked(): Promise<string> {
    if (this.getSnapshot().status === 'signed_out') throw new ApiError(401, null);
    const locks = globalThis.navigator?.locks;
    if (!locks) return this.refreshNow();
    return (await locks.request(`housecall.${this.kind}.refresh`, () => this.refreshNow())) as string;
  }

  private async refreshNow(): Promise<string> {
    try {
      // The `online` event tries again.
      if (globalThis.navigator?.onLine === false) throw new ApiError(0, null);
      const response = await this.post('refresh', {});
      const { access } = this.accept((await response.json()) as TokenResponse);
      this.refreshed.emit(access.token);
      return access.token;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) this.refuse();
      else if (this.getSnapshot().status !== 'signed_out') this.scheduleRefresh(this.backoff.next());
      throw error;
    }
  }

  /** The server does not know this session any more. */
  private refuse(): void {
    if (this.getSnapshot().status === 'signed_in') {
      this.leave('ended');
      return;
    }
    this.rememberSignedIn(false);
    this.set({ status: 'signed_out', reason: 'fresh' });
  }

  private async enter(response: Response): Promise<Me> {
    const { me } = this.accept((await response.json()) as TokenResponse);
    this.tabs?.postMessage({ kind: 'signed_in', person: me.id } satisfies TabMessage);
    return me;
  }

  private accept(body: TokenResponse): { me: Me; access: Access } {
    const access = { token: body.access_token, expiresAt: Date.now() + body.expires_in_s * 1_000 };
    this.access = access;
    this.backoff.reset();
    this.rememberSignedIn(true);
    this.cacheMe(body.me);
    // A quarter of the life before the end, so that one failed try does no harm.
    this.scheduleRefresh(Math.max(5_000, body.expires_in_s * 750));
    this.set({ status: 'signed_in', me: body.me, offline: false });
    return { me: body.me, access };
  }

  private scheduleRefresh(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh().catch(() => undefined), delayMs);
  }

  private leave(reason: 'signed_out' | 'ended'): void {
    clearTimeout(this.timer);
    this.access = null;
    if (this.getSnapshot().status === 'signed_out') return;
    this.rememberSignedIn(false);
    this.cacheMe(null);
    this.set({ status: 'signed_out', reason });
    this.signedOut.emit(reason);
  }

  private handleTab(message: TabMessage): void {
    if (message.kind === 'signed_out') this.leave('signed_out');
    // Another person signed in beside us: this tab's token belongs to a past cookie.
    else if (this.me?.id !== message.person) globalThis.location?.reload();
  }

  private post(action: string, body: unknown, token?: string): Promise<Response> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (token) headers['authorization'] = `Bearer ${token}`;
    return fetchChecked(`/api/v1/auth/${this.kind}/${action}`, {
      method: 'POST',
      credentials: 'same-origin',
      headers,
      body: JSON.stringify(body),
    });
  }

  /** Without this hint each first visit would ask for a refresh that can only be refused. */
  private get wasSignedIn(): boolean {
    try {
      return localStorage.getItem(`housecall.${this.kind}.signed_in`) !== null;
    } catch {
      return true;
    }
  }

  private rememberSignedIn(signedIn: boolean): void {
    try {
      if (signedIn) localStorage.setItem(`housecall.${this.kind}.signed_in`, '1');
      else localStorage.removeItem(`housecall.${this.kind}.signed_in`);
    } catch {
      // Storage is refused: `restore` asks the server instead.
    }
  }

  private get meKey(): string {
    return `housecall.${this.kind}.me`;
  }

  /** Patients only: their app opens without a network. A clinic's shared desk keeps nothing. */
  private cacheMe(me: Me | null): void {
    if (this.kind !== 'patient') return;
    try {
      if (me) localStorage.setItem(this.meKey, JSON.stringify(me));
      else localStorage.removeItem(this.meKey);
    } catch {
      // Storage is refused: the app then needs the network at each start.
    }
  }

  private cachedMe(): Me | null {
    if (this.kind !== 'patient') return null;
    try {
      return JSON.parse(localStorage.getItem(this.meKey) ?? 'null') as Me | null;
    } catch {
      return null;
    }
  }
}
