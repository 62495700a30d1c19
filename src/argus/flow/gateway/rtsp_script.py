"""An RTSP server for a gateway's pictures: run by `gateway.rtsp` under a Python that has GStreamer.

    /usr/bin/python3 rtsp_script.py

Its standard input is lines of JSON, and it ends with it: first `{"host": …, "port": …, "key": …}`, which is
answered by `{"port": …}`, then pictures, `{"topic": …, "bytes": N}` and N bytes of JPEG (0: the topic is
there). It tells what is looked at: `{"topic": …, "watched": 1 or -1}`. Each topic is encoded once as H.264,
at rtsp://HOST:PORT/TOPIC, while anybody looks.

Kept apart from the package: it imports nothing of Argus, and Argus does not import it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

_ROLE = "viewer"
_SOON_MS = 5
_VIDEO = (
    "( appsrc name=pictures is-live=true do-timestamp=true format=time caps=image/jpeg "
    "! jpegdec ! videoconvert ! video/x-raw,format=I420 "
    "! x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max=30 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


class _Server:
    """Used by the main loop's thread, but for `_watched`."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._key = key
        self._sources: dict[str, list[Any]] = {}
        self._last: dict[str, bytes] = {}
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address(host)
        self._server.set_service(str(port))
        if key:
            auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            token.set_string("media.factory.role", _ROLE)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic("argus", key), token)
            self._server.set_auth(auth)
        if not self._server.attach(None):
            raise SystemExit(f"{host}:{port} cannot be listened on: end what uses the port, or give another")
        self.port = self._server.get_bound_port()

    def show(self, topic: str, jpeg: bytes) -> bool:
        """Give a picture to who looks at its topic."""
        if topic not in self._sources:
            self._sources[topic] = []
            self._mount(topic)
        if jpeg:
            self._last[topic] = jpeg
            for source in self._sources[topic]:
                if _plays(source):
                    source.emit("push-buffer", Gst.Buffer.new_wrapped(jpeg))
        return False

    def _mount(self, topic: str) -> None:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(_VIDEO)
        factory.set_shared(True)
        if self._key:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role(_ROLE, "media.factory.access", True)
            permissions.add_permission_for_role(_ROLE, "media.factory.construct", True)
            factory.set_permissions(permissions)
        factory.connect("media-configure", self._watched, topic)
        self._server.get_mount_points().add_factory(f"/{topic}", factory)

    def _watched(self, _: Any, media: Any, topic: str) -> None:
        """Begin to encode; called in a thread of the server's own."""
        source = media.get_element().get_by_name("pictures")
        media.connect("unprepared", lambda _: GLib.idle_add(self._left, source, topic))
        GLib.idle_add(self._came, source, topic)

    def _came(self, source: Any, topic: str) -> bool:
        self._sources[topic].append(source)
        GLib.timeout_add(_SOON_MS, self._begin, source, topic)
        _say(topic=topic, watched=1)
        return False

    def _begin(self, source: Any, topic: str) -> bool:
        """Give what was shown last, as soon as it plays; return whether to look again."""
        if source in self._sources[topic] and not _plays(source):
            return True
        if source in self._sources[topic] and topic in self._last:
            source.emit("push-buffer", Gst.Buffer.new_wrapped(self._last[topic]))
        return False

    def _left(self, source: Any, topic: str) -> bool:
        self._sources[topic].remove(source)
        _say(topic=topic, watched=-1)
        return False


def _plays(source: Any) -> bool:
    """Return whether its clock has begun: a picture given before gets a time far ahead, and is waited for."""
    return bool(source.get_state(0).state == Gst.State.PLAYING)


def _say(**fact: object) -> None:
    print(json.dumps(fact), flush=True)


def _listen(server: _Server) -> None:
    """Hand pictures to the main loop, and end the process with the standard input."""
    for line in sys.stdin.buffer:
        told = json.loads(line)
        GLib.idle_add(server.show, str(told["topic"]), sys.stdin.buffer.read(int(told["bytes"])))
    os._exit(0)


if __name__ == "__main__":
    Gst.init(None)
    serving = _Server(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_listen, args=[serving], daemon=True).start()
    _say(port=serving.port)
    GLib.MainLoop().run()
