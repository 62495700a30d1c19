"""The fault lab's cameras: real streams that fail when they are told to, for tests, benches and users.

What watches them is the engine; nothing here judges a picture.
"""

from argus.vision.lab.faults import FAULTS, LOST_AFTER_S, CameraKind, Fault, fault_named
from argus.vision.lab.protocol import LabCamera
from argus.vision.lab.rtsp_camera import RtspCamera
from argus.vision.lab.rtsp_process import rtsp_camera_problem
from argus.vision.lab.synthetic_camera import SyntheticCamera

__all__ = [
    "FAULTS",
    "LOST_AFTER_S",
    "CameraKind",
    "Fault",
    "LabCamera",
    "RtspCamera",
    "SyntheticCamera",
    "fault_named",
    "rtsp_camera_problem",
]
