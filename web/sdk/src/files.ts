/** Bytes of files as object URLs: fetched with the token, shared while shown, bounded when not. */
import type { Api } from './api';
import type { LocalStorage } from './chat/storage';
import type { FileId, FileView } from './generated/realtime';

const MAX_IDLE_BYTES = 64 * 1024 * 1024;

interface Entry {
  holders: number;
  usedAt: number;
  bytes: number;
  url: string | null;
  loading: Promise<string>;
}

export class Files {
  private readonly entries = new Map<FileId, Entry>();
  private clock = 0;

  constructor(
    private readonly api: Api,
    private readonly storage: () => LocalStorage | null = () => null,
  ) {}

  /** An object URL; release it when it is not shown any more. */
  async acquire(id: FileId): Promise<string> {
    const entry = this.entries.get(id) ?? this.insert(id, () => this.load(id));
    entry.holders += 1;
    entry.usedAt = ++this.clock;
    try {
      return await entry.loading;
    } catch (error) {
      // The next one tries again.
      if (this.entries.get(id) === entry) this.entries.delete(id);
      throw error;
    }
  }

  release(id: FileId): void {
    const entry = this.entries.get(id);
    if (!entry || entry.holders === 0) return;
    entry.holders -= 1;
    this.evict();
  }

  /** Bytes this client has just uploaded need no download. */
  adopt(id: FileId, bytes: Blob): void {
    if (this.entries.has(id)) return;
    this.insert(id, () => Promise.resolve(bytes));
    void this.storage()?.putFile(id, bytes);
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

  private insert(id: FileId, load: () => Promise<Blob>): Entry {
    const entry: Entry = { holders: 0, usedAt: ++this.clock, bytes: 0, url: null, loading: Promise.resolve('') };
    entry.loading = load().then((blob) => {
      entry.url = URL.createObjectURL(blob);
      entry.bytes = blob.size;
      return entry.url;
    });
    this.entries.set(id, entry);
    return entry;
  }

  private async load(id: FileId): Promise<Blob> {
    const kept = await this.storage()?.file(id);
    if (kept) return kept;
    const blob = await this.api.fileBytes(id);
    void this.storage()?.putFile(id, blob);
    return blob;
  }

  /** Oldest first, until those that nobody shows fit. */
  private evict(): void {
    const idle = [...this.entries].filter(([, entry]) => entry.holders === 0 && entry.url !== null);
    let bytes = idle.reduce((sum, [, entry]) => sum + entry.bytes, 0);
    idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [id, entry] of idle) {
      if (bytes <= MAX_IDLE_BYTES) return;
      if (entry.url) URL.revokeObjectURL(entry.url);
      this.entries.delete(id);
      bytes -= entry.bytes;
    }
  }
}
