/** What browsers let us say only in the text of the relay's answer. */

/**
 * Chromium starts at 300 kb/s, which makes the first seconds of a 720p camera a
 * 180p one. The estimator still lowers it within a round trip where the path is thin.
 */
const START_KBPS = 1_500;

/** A start bitrate for video; forward error correction and silence without packets for Opus. */
export function tuned(answer: string): string {
  return answer
    .split(/(?=^m=)/m)
    .map((section) => {
      if (section.startsWith('m=video')) return withFormat(section, /^(VP8|VP9|H264|AV1)$/i, [`x-google-start-bitrate=${START_KBPS}`]);
      if (section.startsWith('m=audio')) return withFormat(section, /^opus$/i, ['useinbandfec=1', 'usedtx=1']);
      return section;
    })
    .join('');
}

/** Adds parameters to the format lines of matching codecs, unless they are there. */
function withFormat(section: string, codecs: RegExp, parameters: readonly string[]): string {
  let result = section;
  for (const [line, type, codec] of section.matchAll(/^a=rtpmap:(\d+) (\w+)\/\d+(?:\/\d+)?\r?$/gm)) {
    if (!codec || !codecs.test(codec)) continue;
    const format = new RegExp(`^a=fmtp:${type} [^\\r\\n]*`, 'm').exec(result)?.[0];
    const missing = parameters.filter((parameter) => !format?.includes(parameter)).join(';');
    if (missing === '') continue;
    result = format
      ? result.replace(format, `${format};${missing}`)
      : result.replace(line, `${line.trimEnd()}\r\na=fmtp:${type} ${missing}${line.endsWith('\r') ? '\r' : ''}`);
  }
  return result;
}
