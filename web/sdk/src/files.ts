/** Bytes of files as object URLs: fetched with the token, shared while shown, bounded when not. */
import type { Api } from './api';
import type { LocalStorage } from './chat/storage';
import type { FileId, FileView } from './generated/realtime';

const MAX_IDLE_BYTES = 64 * 1024 * 1024;
/** Between two questions whether a file was checked by now. */
const CHECK_INTERVAL_MS = 4_000;

/** The bytes as they are kept, or a small picture of them. */
export type FileForm = 'whole' | 'thumbnail';

interface Entry {
  holders: number;
  usedAt: number;
  bytes: number;
  url: string | null;
  loading: Promise<string>;
}

/** What a form of a file is kept under; a whole file under its own id. */
const keyOf = (id: FileId, form: FileForm): string => (form === 'whole' ? id : `${id}/${form}`);

export class Files {
  private readonly entries = new Map<string, Entry>();
  private clock = 0;

  constructor(
    private readonly api: Api,
    private readonly storage: () => LocalStorage | null = () => null,
  ) {}

  /** An object URL; release it when it is not shown any more. */
  async acquire(id: FileId, form: FileForm = 'whole'): Promise<string> {
    const key = keyOf(id, form);
    const entry = this.entries.get(key) ?? this.insert(key, () => this.load(id, form));
    entry.holders += 1;
    entry.usedAt = ++this.clock;
    try {
      return await entry.loading;
    } catch (error) {
      // The next one tries again.
      if (this.entries.get(key) === entry) this.entries.delete(key);
      throw error;
    }
  }

  release(id: FileId, form: FileForm = 'whole'): void {
    const entry = this.entries.get(keyOf(id, form));
    if (!entry || entry.holders === 0) return;
    entry.holders -= 1;
    this.evict();
  }

  /** Bytes this client has just uploaded need no download. */
  adopt(file: FileView, bytes: Blob): void {
    // A picture lost its metadata and may have been turned: what is kept is not what was sent.
    if (this.entries.has(file.id) || file.media_type.startsWith('image/')) return;
    this.insert(file.id, () => Promise.resolve(bytes));
    void this.storage()?.putFile(file.id, bytes);
  }

  /** Tells what becomes of a file that is being checked; the function ends the watch. */
  watch(file: FileView, changed: (file: FileView) => void): () => void {
    let timer: ReturnType<typeof setTimeout>;
    let ended = false;
    const ask = async () => {
      const now = await this.api.file(file.id).catch(() => file);
      if (ended) return;
      if (now.state !== 'checking') return changed(now);
      timer = setTimeout(() => void ask(), CHECK_INTERVAL_MS);
    };
    if (file.state === 'checking') void ask();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }

  /** Saves the file under its name. */
  async download(file: FileView): Promise<void> {
    const url = await this.acquire(file.id);
    const link = document.createElement('a');
    link.href = url;
    link.download = file.name;
    link.click();
    // The browser reads the URL after the click returned.
    setTimeout(() => this.release(file.id), 60_000);
  }

  /** The file can be opened without a network. */
  async isOnDevice(id: FileId): Promise<boolean> {
    return (await this.storage()?.hasFile(id)) ?? false;
  }

  /** At sign-out. */
  clear(): void {
    for (const entry of this.entries.values()) if (entry.url) URL.revokeObjectURL(entry.url);
    this.entries.clear();
  }

  private insert(key: string, load: () => Promise<Blob>): Entry {
    const entry: Entry = { holders: 0, usedAt: ++this.clock, bytes: 0, url: null, loading: Promise.resolve('') };
    entry.loading = load().then((blob) => {
      entry.url = URL.createObjectURL(blob);
      entry.bytes = blob.size;
      return entry.url;
    });
    this.entries.set(key, entry);
    return entry;
  }

  private async load(id: FileId, form: FileForm): Promise<Blob> {
    const key = keyOf(id, form);
    const kept = await this.storage()?.file(key);
    if (kept) return kept;
    const blob = await (form === 'whole' ? this.api.fileBytes(id) : this.api.thumbnailBytes(id));
    void this.storage()?.putFile(key, blob);
    return blob;
  }

  /** Oldest first, until those that nobody shows fit. */
  private evict(): void {
    const idle = [...this.entries].filter(([, entry]) => entry.holders === 0 && entry.url !== null);
    let bytes = idle.reduce((sum, [, entry]) => sum + entry.bytes, 0);
    idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [key, entry] of idle) {
      if (bytes <= MAX_IDLE_BYTES) return;
      if (entry.url) URL.revokeObjectURL(entry.url);
      this.entries.delete(key);
      bytes -= entry.bytes;
    }
  }
}
