"""Clips of a camera's stream: its own packets, kept for some seconds, cut out without encoding them."""

from argus.vision.clips.clip import Clip, ClipUnavailable

__all__ = ["Clip", "ClipUnavailable"]
