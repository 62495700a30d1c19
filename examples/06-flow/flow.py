"""A camera, a detector in two processes, a page to watch, and a log of every frame: ten lines of wiring."""

import sys

from argus import QoS, System

given = [word for word in sys.argv[1:] if not word.startswith("-")]
video, model = given if len(given) == 2 else ("synthetic:plaza?frames=150&fps=30", "builtin:plaza")

robot = System("my-robot")
camera = robot.node("nodes/camera", fps=30, url=video)
yolo = robot.node("nodes/yolo", replicas=2, model=model, confidence=0.4)
gateway = robot.node("nodes/gateway", port=0)
logger = robot.node("nodes/logger")
robot.link(camera).to(yolo, qos=QoS.REALTIME).to(gateway, qos=QoS.REALTIME(ordered=True))
robot.link(camera).to(gateway)
robot.link(camera).to(logger, qos=QoS.DURABLE)

if __name__ == "__main__":
    robot.run(debug="--debug" in sys.argv)
    print("it has ended: `argus flow top my-robot --last` says what became of every message")
