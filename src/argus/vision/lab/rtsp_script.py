"""An RTSP camera as a script: run by `argus.vision.lab.rtsp_process` under a Python that has GStreamer.

    /usr/bin/python3 rtsp_script.py --fps 10

It plays raw pictures in a loop, encodes them as H.264 while anybody watches, serves them at
rtsp://127.0.0.1:PORT/camera, prints `{"port": PORT}` and ends when its standard input does. Every line
of its standard input is one command, answered by one line: `{"done": …}` or `{"error": …}`.

    {"do": "play", "width": 320, "height": 240, "pictures": 60, "bytes": N}   and then N bytes of I420
    {"do": "hold", "on": true}                       shows one and the same picture
    {"do": "key-frames", "every_s": 10.0}
    {"do": "credentials", "user": "lab", "password": "…"}
    {"do": "serve", "stream": "video"}               or "unknown": a codec that nobody decodes

Kept apart from the package: it imports nothing of Argus, and Argus does not import it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
import time
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

_PATH = "/camera"
_ROLE = "viewer"
_EAGER_S = 2.0
# One quality and not one rate: of a picture that stands still, every key frame is the same.
# Key frames are ordered one by one (see `tick`), so that their distance can change while it runs.
_VIDEO = (
    "( appsrc name=pictures is-live=true do-timestamp=true format=time "
    "! x264enc tune=zerolatency speed-preset=ultrafast threads=1 pass=quant quantizer=22 key-int-max=100000 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
# Raw pictures: to start an encoder at each attempt would cost the machine more than the fault itself does.
_UNKNOWN = (
    "( videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,framerate=5/1 "
    "! rtpvrawpay pt=96 "
    '! capssetter name=pay0 caps="application/x-rtp,encoding-name=(string)X-ARGUS-UNKNOWN" )'
)


class _Camera:
    """The server and what it plays. Used by the main loop's thread, but for `_watched`."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._pictures: list[Gst.Buffer] = []
        self._caps: Gst.Caps | None = None
        self._index = 0
        self._held = False
        self._key_every_s = 1.0
        self._encoders: dict[Any, float] = {}
        """When each running appsrc had its last key frame; -inf orders one now."""
        self._began_s = time.monotonic()
        self._auth: GstRtspServer.RTSPAuth | None = None
        self._basic = ""
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address("127.0.0.1")
        self._server.set_service("0")
        self._server.connect("client-connected", self._visited)
        self._serve("video")
        if not self._server.attach(None):
            raise SystemExit("no port could be opened")
        self.port = self._server.get_bound_port()

    def obey(self, command: dict[str, Any], payload: bytes) -> str:
        """Carry one command out and return its name."""
        what = str(command["do"])
        if what == "play":
            self._play(int(command["width"]), int(command["height"]), int(command["pictures"]), payload)
        elif what == "hold":
            self._held = bool(command["on"])
            self._refresh()  # or the next key frame would show the held picture a little differently
        elif what == "key-frames":
            self._key_every_s = float(command["every_s"])
            if self._key_every_s <= _EAGER_S:
                self._refresh()
        elif what == "credentials":
            self._let_in(str(command["user"]), str(command["password"]))
        elif what == "serve":
            self._serve(str(command["stream"]))
        else:
            raise ValueError(f"unknown command {what!r}")
        return what

    def _play(self, width: int, height: int, pictures: int, payload: bytes) -> None:
        size = width * height * 3 // 2
        if len(payload) != pictures * size or not pictures:
            raise ValueError(f"{len(payload)} bytes are not {pictures} pictures of {width}x{height}")
        rate = f"{round(self._fps * 1000)}/1000"
        caps = f"video/x-raw,format=I420,width={width},height={height},framerate={rate}"
        self._caps = Gst.Caps.from_string(caps)
        self._pictures = [
            Gst.Buffer.new_wrapped(payload[at : at + size]) for at in range(0, len(payload), size)
        ]
        self._index = 0
        for source in list(self._encoders):
            source.set_property("caps", self._caps)

    def _let_in(self, user: str, password: str) -> None:
        if self._auth is None:
            self._auth = GstRtspServer.RTSPAuth()
            self._auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            self._server.set_auth(self._auth)
        elif self._basic:
            self._auth.remove_basic(self._basic)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", _ROLE)
        self._basic = GstRtspServer.RTSPAuth.make_basic(user, password)
        self._auth.add_basic(self._basic, token)

    def _serve(self, stream: str) -> None:
        # A factory of its own each time: the old one still keeps the stream of those who watch.
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch({"video": _VIDEO, "unknown": _UNKNOWN}[stream])
        factory.set_shared(True)
        factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)  # all must pass the proxy in front
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(_ROLE, "media.factory.access", True)
        permissions.add_permission_for_role(_ROLE, "media.factory.construct", True)
        factory.set_permissions(permissions)
        factory.connect("media-configure", self._watched)
        self._server.get_mount_points().add_factory(_PATH, factory)

    def _visited(self, server: Any, client: Any) -> None:
        client.connect("play-request", lambda *_: GLib.idle_add(self._greet))

    def _greet(self) -> bool:
        """Give a newcomer a key frame at once, as good cameras do; where they are slow, let it wait."""
        if self._key_every_s <= _EAGER_S:
            self._refresh()
        return False

    def _refresh(self) -> None:
        """Order a key frame from every encoder."""
        for source in list(self._encoders):
            self._encoders[source] = -math.inf

    def _watched(self, factory: Any, media: Any) -> None:
        """Begin an encoder; called in a thread of the server's own."""
        source = media.get_element().get_by_name("pictures")
        if source is None or not self._pictures:
            return
        media.connect("unprepared", lambda _: GLib.idle_add(self._forget, source))
        source.set_property("caps", self._caps)
        self._encoders[source] = time.monotonic()  # the first picture is a key frame anyway

    def _forget(self, source: Any) -> bool:
        self._encoders.pop(source, None)
        return False

    def tick(self) -> bool:
        """Show the next picture to every encoder, and come again when the one after is due."""
        now_s = time.monotonic()
        if not self._held:
            self._index += 1
        for source, key_s in list(self._encoders.items()):
            # Before, its clock has no beginning: a picture stamped then would be due in some hours, and
            # hold up all that follow.
            if source.get_state(0).state != Gst.State.PLAYING:
                continue
            # A little early: what is due with this picture is not to wait for the next.
            if now_s - key_s > self._key_every_s - 0.5 / self._fps:
                self._encoders[source] = now_s
                order = Gst.Structure.new_from_string("GstForceKeyUnit, all-headers=(boolean)true")
                source.send_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, order))
            self._push(source)
        number = int((now_s - self._began_s) * self._fps) + 1
        wait_s = self._began_s + number / self._fps - time.monotonic()
        GLib.timeout_add(max(1, math.ceil(wait_s * 1000)), self.tick)
        return False

    def _push(self, source: Any) -> None:
        picture = self._pictures[self._index % len(self._pictures)]
        # Not `copy`, which is the same buffer once more, with the time stamp of its last showing.
        source.emit("push-buffer", picture.copy_region(Gst.BufferCopyFlags.MEMORY, 0, picture.get_size()))


def _listen(camera: _Camera) -> None:
    """Hand commands to the main loop, and end the process with the standard input."""
    stdin = sys.stdin.buffer
    for line in stdin:
        command = json.loads(line)
        payload = stdin.read(int(command.get("bytes", 0)))
        GLib.idle_add(_answer, camera, command, payload)
    os._exit(0)  # the main loop may be busy or stuck: whoever started us is gone


def _answer(camera: _Camera, command: dict[str, Any], payload: bytes) -> bool:
    try:
        answer = {"done": camera.obey(command, payload)}
    except (KeyError, ValueError, TypeError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
    return False


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fps", type=float, default=10.0)
    arguments = parser.parse_args()
    Gst.init(None)
    camera = _Camera(arguments.fps)
    threading.Thread(target=_listen, args=[camera], daemon=True).start()
    print(json.dumps({"port": camera.port}), flush=True)
    camera.tick()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
