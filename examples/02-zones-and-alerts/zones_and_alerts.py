"""Watch two places of the plaza and print each event and alert as it happens."""

from argus import Pipeline, PipelineSpec, load_detector, open_source

RULES = {
    "zones": {
        "restricted": {
            "polygon": [[0.08, 0.60], [0.41, 0.57], [0.43, 0.97], [0.03, 0.97]],
            "classes": ["person"],
            "dwell": "2s",
            "severity": "high",
        }
    },
    "lines": {"door": {"from": [0.5, 0.42], "to": [0.5, 0.99], "classes": ["person"]}},
}


def main() -> None:
    pipeline = Pipeline(PipelineSpec.read(RULES, "rules"), camera="plaza")
    detector = load_detector("builtin:plaza")
    with open_source("synthetic:plaza?frames=150&fps=10&people=9&seed=7") as source:
        for frame in source:
            result = pipeline.process(frame, detector.detect([frame])[0])
            now = f"{frame.time_s:5.1f} s"
            for event in result.events:
                if event.region is not None and event.phase != "update":
                    print(f"{now}  {event.phase:5}  {event.type} {event.region} #{event.object_id}")
            for alert in result.alerts:
                print(f"{now}  ALERT  {alert.severity}: {alert.rule}, {alert.event.type}")
    print(f"still going on at the end: {len(pipeline.finish())} events")
    detector.close()


if __name__ == "__main__":
    main()
