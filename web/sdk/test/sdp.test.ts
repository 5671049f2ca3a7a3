import { describe, expect, it } from 'vitest';

import { tuned } from '../src/call/sdp';

const lines = (...all: string[]) => `${all.join('\r\n')}\r\n`;

describe('an answer is tuned', () => {
  it('video codecs are told where to start, Opus to repair and to be silent', () => {
    const sdp = lines(
      'v=0',
      'm=audio 9 UDP/TLS/RTP/SAVPF 111',
      'a=rtpmap:63 red/48000/2',
      'a=fmtp:63 111/111',
      'a=rtpmap:111 opus/48000/2',
      'a=fmtp:111 minptime=10;useinbandfec=1',
      'm=video 9 UDP/TLS/RTP/SAVPF 96 97 102',
      'a=rtpmap:96 VP8/90000',
      'a=rtpmap:97 rtx/90000',
      'a=fmtp:97 apt=96',
      'a=rtpmap:102 H264/90000',
      'a=fmtp:102 packetization-mode=1',
    );
    const result = tuned(sdp).split('\r\n');
    expect(result).toContain('a=fmtp:96 x-google-start-bitrate=1500');
    expect(result).toContain('a=fmtp:97 apt=96');
    expect(result).toContain('a=fmtp:102 packetization-mode=1;x-google-start-bitrate=1500');
    expect(result).toContain('a=fmtp:63 111/111');
    expect(result).toContain('a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1');
    expect(tuned(result.join('\r\n'))).toBe(result.join('\r\n'));
    expect(result.filter((line) => line.includes('x-google'))).toHaveLength(2);
    expect(result.at(-1)).toBe('');
  });
});
