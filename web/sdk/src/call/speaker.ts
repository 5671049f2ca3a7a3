/** Plays the sound of everybody else on the chosen output, independent of what is on the screen. */
export class Speaker {
  /** One element for each m-line; tracks of m-lines stay for the whole connection. */
  private readonly elements = new Map<string, HTMLAudioElement>();
  private deviceId: string | null = null;

  constructor(private readonly blocked: (blocked: boolean) => void) {}

  play(streams: ReadonlyMap<string, MediaStream>): void {
    for (const [mid, element] of this.elements) {
      if (streams.has(mid)) continue;
      silence(element);
      this.elements.delete(mid);
    }
    for (const [mid, stream] of streams) {
      const element = this.elements.get(mid) ?? new Audio();
      if (element.srcObject === stream) continue;
      element.srcObject = stream;
      this.elements.set(mid, element);
      if (this.deviceId) void route(element, this.deviceId);
      this.start(element);
    }
  }

  /** Again after a press of the person. */
  unblock(): void {
    for (const element of this.elements.values()) this.start(element);
  }

  async select(deviceId: string): Promise<void> {
    this.deviceId = deviceId;
    await Promise.all([...this.elements.values()].map((element) => route(element, deviceId)));
  }

  stop(): void {
    for (const element of this.elements.values()) silence(element);
    this.elements.clear();
  }

  private start(element: HTMLAudioElement): void {
    element
      .play()
      .then(() => this.blocked(false))
      .catch((error: unknown) => {
        if (error instanceof DOMException && error.name === 'NotAllowedError') this.blocked(true);
      });
  }
}

async function route(element: HTMLAudioElement, deviceId: string): Promise<void> {
  if ('setSinkId' in element) await element.setSinkId(deviceId);
}

function silence(element: HTMLAudioElement): void {
  element.pause();
  element.srcObject = null;
}
