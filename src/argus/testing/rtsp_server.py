"""An RTSP server as a script: run by `argus.testing.rtsp` under a Python that has GStreamer.

    /usr/bin/python3 rtsp_server.py --pattern 64x48@10 [--user NAME --password WORD [--digest]] [--over udp]
    /usr/bin/python3 rtsp_server.py --file video.mp4

It serves rtsp://127.0.0.1:PORT/stream, prints `ready PORT` and ends when its standard input does.
Kept apart from the package: it imports nothing of Argus, and Argus does not import it.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

_PAY = "rtph264pay name=pay0 pt=96 config-interval=1"


def _launch_line(arguments: argparse.Namespace) -> str:
    """Return the pipeline that a client's connection starts."""
    if arguments.file:
        return f'( filesrc location="{arguments.file}" ! qtdemux ! {_PAY} )'
    match = re.fullmatch(r"(\d+)x(\d+)@(\d+)", arguments.pattern)
    if match is None:
        raise SystemExit(f"--pattern {arguments.pattern}: write it as 64x48@10")
    width, height, fps = match.groups()
    picture = f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
    return (
        f"( videotestsrc is-live=true pattern=ball ! {picture} "
        f"! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} "
        f"! {_PAY} )"
    )


def _guard(
    server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory, arguments: argparse.Namespace
) -> None:
    """Let only the given user in."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if arguments.digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(arguments.user, arguments.password, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(arguments.user, arguments.password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pattern", default="64x48@10")
    parser.add_argument("--file")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--over", choices=["tcp", "udp"])
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(_launch_line(arguments))
    if arguments.over:
        factory.set_protocols(getattr(GstRtsp.RTSPLowerTrans, arguments.over.upper()))
    factory.set_shared(not arguments.file)
    if arguments.user:
        _guard(server, factory, arguments)
    server.get_mount_points().add_factory("/stream", factory)
    loop = GLib.MainLoop()
    if not server.attach(None):
        raise SystemExit("no port could be opened")

    def leave() -> None:
        sys.stdin.read()
        loop.quit()

    threading.Thread(target=leave, daemon=True).start()
    print(f"ready {server.get_bound_port()}", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
