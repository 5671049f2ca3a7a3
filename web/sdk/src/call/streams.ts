/** The same stream object while the track is the same, so that elements do not restart. */
export class Streams {
  private readonly byName = new Map<string, MediaStream>();

  of(name: string, track: MediaStreamTrack | null): MediaStream | null {
    if (!track) {
      this.byName.delete(name);
      return null;
    }
    const known = this.byName.get(name);
    if (known?.getTracks()[0] === track) return known;
    const fresh = new MediaStream([track]);
    this.byName.set(name, fresh);
    return fresh;
  }
}
