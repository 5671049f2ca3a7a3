/** The WebSocket `/rt/v1`: hello, requests by id, events, heartbeat, reconnect. Knows nothing of chat or calls. */
import type { ClientFrame, ServerFrame, Welcome } from './generated/realtime';
import { Backoff } from './net/backoff';
import { ApiError, RealtimeError } from './net/errors';
import type { Session } from './session';
import { Emitter, Store } from './store';
import type { RealtimeState } from './types';

export const PROTOCOL_VERSION = 1;

/** Close codes of `protocol::client::close`. */
export const CLOSE = {
  BAD_HELLO: 4000,
  UNAUTHENTICATED: 4001,
  SESSION_REVOKED: 4002,
  PROTOCOL_VERSION: 4003,
  SLOW_CONSUMER: 4008,
  RATE_LIMITED: 4009,
  DRAINING: 4010,
  REPLACED: 4011,
} as const;

const HELLO_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** No server has a reason to keep a client away for longer. */
const MAX_ASKED_DELAY_MS = 60_000;
/** After waking up, a healthy connection answers well within this. */
const PROBE_TIMEOUT_MS = 4_000;

export type ClientType = ClientFrame['type'];
export type ServerType = ServerFrame['type'];
export type ClientData<T extends ClientType> = Extract<ClientFrame, { type: T }>['data'];
export type ServerData<T extends ServerType> = Extract<ServerFrame, { type: T }>['data'];

/** Which frame answers which; everything else is answered by `ok`. */
interface Answers {
  hello: 'welcome';
  ping: 'pong';
  'chat.open': 'chat.state';
  'chat.send': 'chat.ack';
  'chat.edit': 'chat.change_ack';
  'chat.delete': 'chat.change_ack';
  'chat.fetch': 'chat.page';
  'chat.fetch_changes': 'chat.changes';
  'call.start': 'call.started';
  'call.prepare': 'call.answer';
  /** `call.answer` when it carried an offer. */
  'call.accept': 'call.answer' | 'ok';
  'call.offer': 'call.answer';
  'call.listen': 'call.started';
}
export type AnswerData<T extends ClientType> = ServerData<T extends keyof Answers ? Answers[T] : 'ok'>;

interface Pending {
  resolve: (data: unknown) => void;
  reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

type Envelope = ServerFrame & { re?: number };

export class Realtime extends Store<RealtimeState> {
  private socket: WebSocket | null = null;
  private wanted = false;
  private attempt = 0;
  private nextId = 1;
  private lastReceived = 0;
  private clockOffsetMs = 0;
  private previous: string | null = null;
  private readonly pending = new Map<number, Pending>();
  private readonly events = new Map<ServerType, Emitter<[unknown]>>();
  private readonly backoff = new Backoff({ baseMs: 500, capMs: 20_000 });
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private heartbeat: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly session: Session,
    private readonly url: string = defaultUrl(),
  ) {
    super({ status: 'stopped', welcome: null, retryAt: null });
    session.onSignedOut(() => this.stop());
    session.onRefreshed((token) => {
      if (this.online) void this.request('auth.refresh', { token }).catch(() => undefined);
    });
    globalThis.addEventListener?.('online', () => this.wake());
    globalThis.addEventListener?.('offline', () => this.drop());
    globalThis.document?.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.wake();
    });
  }

  get online(): boolean {
    return this.getSnapshot().status === 'online';
  }

  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    if (globalThis.navigator?.onLine === false) this.retry(0);
    else void this.connect();
  }

  stop(): void {
    this.wanted = false;
    this.previous = null;
    this.close();
    this.set({ status: 'stopped', welcome: null, retryAt: null });
  }

  /** Resolves with the answer's data; rejects with `RealtimeError`. */
  request<T extends ClientType>(
    type: T,
    data: ClientData<T>,
    options: { timeoutMs?: number } = {},
  ): Promise<AnswerData<T>> {
    if (!this.online) return Promise.reject(new RealtimeError('disconnected', 'no connection'));
    return this.ask(type, data, options.timeoutMs ?? REQUEST_TIMEOUT_MS) as Promise<AnswerData<T>>;
  }

  /** Sends without waiting; false when there is no connection. */
  send<T extends ClientType>(type: T, data: ClientData<T>): boolean {
    if (!this.online || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ type, data }));
    return true;
  }

  on<T extends ServerType>(type: T, listener: (data: ServerData<T>) => void): () => void {
    let emitter = this.events.get(type);
    if (!emitter) {
      emitter = new Emitter();
      this.events.set(type, emitter);
    }
    return emitter.on(listener as (data: unknown) => void);
  }

  /** The server's clock, epoch ms. */
  serverNow(): number {
    return Date.now() + this.clockOffsetMs;
  }

  private ask(type: ClientType, data: unknown, timeoutMs: number): Promise<unknown> {
    const socket = this.socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new RealtimeError('disconnected', 'no connection'));
    }
    const id = this.nextId;
    // The envelope's id is an u32.
    this.nextId = (this.nextId % 0xffff_ffff) + 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new RealtimeError('timeout', `${type} was not answered in ${timeoutMs} ms`));
      }, timeoutMs);
      this.pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ id, type, data }));
    });
  }

  private async connect(): Promise<void> {
    clearTimeout(this.retryTimer);
    const attempt = ++this.attempt;
    this.set({ ...this.getSnapshot(), status: 'connecting', retryAt: null });
    let token: string;
    try {
      token = await this.session.token();
    } catch (error) {
      if (attempt !== this.attempt || !this.wanted) return;
      if (error instanceof ApiError && !error.temporary) return;
      this.retry(this.backoff.next());
      return;
    }
    if (attempt !== this.attempt || !this.wanted) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => void this.greet(socket, token);
    socket.onmessage = (event) => {
      if (socket === this.socket) this.handleText(String(event.data));
    };
    socket.onclose = (event) => {
      if (socket === this.socket) this.handleClose(event.code, event.reason);
    };
  }

  private async greet(socket: WebSocket, token: string): Promise<void> {
    try {
      const hello = { protocol: PROTOCOL_VERSION, token, device: this.session.device, previous: this.previous };
      const welcome = (await this.ask('hello', hello, HELLO_TIMEOUT_MS)) as Welcome;
      if (socket !== this.socket) return;
      this.backoff.reset();
      this.previous = welcome.connection;
      this.clockOffsetMs = welcome.server_time - Date.now();
      this.startHeartbeat(welcome.heartbeat_ms);
      this.set({ status: 'online', welcome, retryAt: null });
      this.events.get('welcome')?.emit(welcome);
    } catch {
      // Refused or silent; the close code, if the server sent one, decides what follows.
      if (socket === this.socket && socket.readyState === WebSocket.OPEN) socket.close();
    }
  }

  private handleText(text: string): void {
    this.lastReceived = Date.now();
    let frame: Envelope;
    try {
      frame = JSON.parse(text) as Envelope;
    } catch {
      return;
    }
    if (frame.re === undefined || frame.re === null) {
      this.events.get(frame.type)?.emit(frame.data);
      return;
    }
    const pending = this.pending.get(frame.re);
    if (!pending) return;
    this.pending.delete(frame.re);
    clearTimeout(pending.timer);
    if (frame.type === 'error') {
      pending.reject(new RealtimeError(frame.data.code, frame.data.message, frame.data.retry_after_ms));
    } else {
      pending.resolve(frame.data);
    }
  }

  private handleClose(code: number, reason = ''): void {
    this.close();
    if (!this.wanted) return;
    const asked = askedDelayMs(reason);
    if (asked !== null) {
      this.retry(asked);
      return;
    }
    switch (code) {
      case CLOSE.UNAUTHENTICATED:
        this.session.invalidate();
        this.retry(this.backoff.next());
        return;
      case CLOSE.SESSION_REVOKED:
        this.session.ended();
        return;
      case CLOSE.REPLACED:
        this.wanted = false;
        this.set({ status: 'replaced', welcome: null, retryAt: null });
        return;
      case CLOSE.PROTOCOL_VERSION:
        // Only a newer build of the app helps; a reload brings it.
        this.retry(60_000);
        return;
      case CLOSE.RATE_LIMITED:
        this.retry(5_000 + this.backoff.next());
        return;
      case CLOSE.DRAINING:
        this.retry(Math.round(Math.random() * 800) + 50);
        return;
      default:
        this.retry(this.backoff.next());
    }
  }

  private retry(delayMs: number): void {
    clearTimeout(this.retryTimer);
    // Without any network a try can only fail, and browsers print it; the `online` event wakes us.
    if (globalThis.navigator?.onLine === false) {
      this.set({ ...this.getSnapshot(), status: 'waiting', retryAt: null });
      return;
    }
    this.set({ ...this.getSnapshot(), status: 'waiting', retryAt: Date.now() + delayMs });
    this.retryTimer = setTimeout(() => void this.connect(), delayMs);
  }

  /** Back from sleep or a dead network: try at once instead of waiting. */
  private wake(): void {
    const { status } = this.getSnapshot();
    if (status === 'waiting') {
      void this.connect();
    } else if (status === 'replaced') {
      this.start();
    } else if (status === 'online') {
      void this.probe(PROBE_TIMEOUT_MS);
    }
  }

  private async probe(timeoutMs: number): Promise<void> {
    const socket = this.socket;
    try {
      await this.ask('ping', {}, timeoutMs);
    } catch {
      if (socket && socket === this.socket) this.drop();
    }
  }

  /** The connection is dead, whatever the socket believes. */
  private drop(): void {
    if (!this.socket || !this.wanted) return;
    this.handleClose(1006);
  }

  private startHeartbeat(intervalMs: number): void {
    clearInterval(this.heartbeat);
    this.heartbeat = setInterval(() => {
      if (Date.now() - this.lastReceived >= intervalMs) void this.probe(Math.min(intervalMs, REQUEST_TIMEOUT_MS));
    }, intervalMs);
  }

  private close(): void {
    clearTimeout(this.retryTimer);
    clearInterval(this.heartbeat);
    this.attempt += 1;
    const socket = this.socket;
    this.socket = null;
    if (socket) hangUp(socket);
    for (const [id, pending] of [...this.pending]) {
      this.pending.delete(id);
      clearTimeout(pending.timer);
      pending.reject(new RealtimeError('disconnected', 'the connection closed'));
    }
  }
}

/** How long the server asks to stay away, from `... retry_ms=1500`; it has spread its clients over the time itself. */
function askedDelayMs(reason: string): number | null {
  const ms = /\bretry_ms=(\d{1,9})$/.exec(reason)?.[1];
  return ms === undefined ? null : Math.min(Math.max(Number(ms), 50), MAX_ASKED_DELAY_MS);
}

/** Closing a socket that still connects makes browsers print an error, so that one is closed when it opens. */
function hangUp(socket: WebSocket): void {
  if (socket.readyState === WebSocket.OPEN) socket.close();
  else if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
}

function defaultUrl(): string {
  const { protocol, host } = globalThis.location ?? { protocol: 'http:', host: 'localhost' };
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/rt/v1`;
}
