/** Plays the remote sound on the chosen output, independent of what is on the screen. */
export class Speaker {
  private element: HTMLAudioElement | null = null;
  private deviceId: string | null = null;

  constructor(private readonly blocked: (blocked: boolean) => void) {}

  play(stream: MediaStream | null): void {
    if (!stream) {
      this.stop();
      return;
    }
    if (this.element?.srcObject === stream) return;
    this.element ??= new Audio();
    this.element.srcObject = stream;
    if (this.deviceId) void this.select(this.deviceId);
    this.unblock();
  }

  /** Again after a press of the person. */
  unblock(): void {
    this.element
      ?.play()
      .then(() => this.blocked(false))
      .catch((error: unknown) => {
        if (error instanceof DOMException && error.name === 'NotAllowedError') this.blocked(true);
      });
  }

  async select(deviceId: string): Promise<void> {
    this.deviceId = deviceId;
    if (this.element && 'setSinkId' in this.element) await this.element.setSinkId(deviceId);
  }

  stop(): void {
    if (!this.element) return;
    this.element.pause();
    this.element.srcObject = null;
    this.element = null;
  }
}
