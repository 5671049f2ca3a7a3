#!/usr/bin/python3
"""Publishes by WHIP or plays by WHEP with aiortc, a WebRTC stack of its own.

    stream.py publish|play URL TOKEN

Says one JSON object a line on standard output: when it is connected, and, playing, what
it has decoded so far. Ends its session when its standard input is closed.
"""

import asyncio
import fractions
import json
import sys
import urllib.parse
import urllib.request

import aioice.ice
import av
import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

WIDTH, HEIGHT = 640, 360


class MovingBar(VideoStreamTrack):
    """A bright bar that walks over a dark picture."""

    frames = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = numpy.full((HEIGHT, WIDTH, 3), 32, numpy.uint8)
        left = self.frames * 8 % (WIDTH - 80)
        picture[:, left : left + 80] = 224
        self.frames += 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A tone of 400 Hz."""

    samples = 0

    async def recv(self):
        # For its rhythm; what it says is replaced.
        silence = await super().recv()
        count = silence.samples
        at = numpy.arange(self.samples, self.samples + count)
        self.samples += count
        wave = (8000 * numpy.sin(2 * numpy.pi * 400 * at / silence.sample_rate)).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = silence.sample_rate, silence.pts
        frame.time_base = fractions.Fraction(1, silence.sample_rate)
        return frame


def say(**what):
    print(json.dumps(what), flush=True)


def request(method, url, token, body=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    data = body.encode() if body else None
    asked = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(asked) as answered:
        return answered.headers, answered.read().decode()


async def count(track, counts):
    """Decodes a track for as long as it lasts."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if track.kind == "audio":
            loud = int(abs(frame.to_ndarray()).max())
            counts["audio"] += 1
            counts["loudest"] = max(counts["loudest"], loud)
        else:
            grey = frame.to_ndarray(format="gray")
            counts["video"] += 1
            counts["width"], counts["height"] = frame.width, frame.height
            counts["contrast"] = int(grey.max()) - int(grey.min())


async def main(direction, url, token):
    # The relay of the tests is on loopback, which the library leaves out.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    connection = RTCPeerConnection()
    counts = {"audio": 0, "loudest": 0, "video": 0, "width": 0, "height": 0, "contrast": 0}
    tasks = []
    if direction == "publish":
        connection.addTransceiver(Tone(), "sendonly")
        connection.addTransceiver(MovingBar(), "sendonly")
    else:
        connection.addTransceiver("audio", "recvonly")
        connection.addTransceiver("video", "recvonly")
        connection.on("track", lambda track: tasks.append(asyncio.ensure_future(count(track, counts))))
    connection.on("connectionstatechange", lambda: say(state=connection.connectionState))
    await connection.setLocalDescription(await connection.createOffer())
    loop = asyncio.get_running_loop()
    offer = connection.localDescription.sdp
    headers, answer = await loop.run_in_executor(None, request, "POST", url, token, offer)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    closed = loop.run_in_executor(None, sys.stdin.read)
    while not closed.done() and not any(task.done() for task in tasks):
        await asyncio.wait([closed], timeout=0.5)
        if direction == "play":
            say(**counts)
    session = urllib.parse.urljoin(url, headers["Location"])
    await loop.run_in_executor(None, request, "DELETE", session, token)
    await connection.close()
    # A failure in one of them is the whole program's.
    await asyncio.gather(*tasks)


asyncio.run(main(*sys.argv[1:]))
