"""What runs, as a client asks for it: workloads, jobs, models that are swapped, cameras as they are now."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from argus.control.client.calls import Calls, Items, Json, part


class RunningCalls(Calls):
    """See the module."""

    def workloads(self) -> Items:
        """Return all workloads."""
        return list(self._asker.json("GET", "/api/v1/workloads")["items"])

    def workload(self, name: str) -> Json:
        """Return one workload."""
        return self._object("GET", f"/api/v1/workloads/{part(name)}")

    def logs(
        self, name: str, *, tail: int | None = None, follow: bool = False
    ) -> Generator[bytes, None, None]:
        """Yield what a workload prints, in portions; with `follow` without end."""
        path, params = f"/api/v1/workloads/{part(name)}/logs", {"tail": tail, "follow": follow}
        with self._asker.stream(path, params=params, silence_s=None if follow else 30.0) as response:
            try:
                yield from response.iter_bytes()
            except httpx.HTTPError as error:
                raise self._asker.missing(error) from error

    def restart(self, name: str) -> Json:
        """End a workload and start it again."""
        return self._object("POST", f"/api/v1/workloads/{part(name)}:restart")

    def job(self, verb: str, name: str) -> Json:
        """`suspend`, `resume`, `cancel` or `run` a job."""
        return self._object("POST", f"/api/v1/jobs/{part(name)}:{verb}")

    def runs(self, name: str) -> Items:
        """Return the runs of a job, the latest first."""
        return list(self._asker.json("GET", f"/api/v1/jobs/{part(name)}/runs")["items"])

    def swap_model(self, name: str, path: str) -> Json:
        """Run other weights from now on."""
        return self._object("POST", f"/api/v1/models/{part(name)}:swap", json={"path": path})

    def rollback_model(self, name: str) -> Json:
        """Run the weights again that ran before."""
        return self._object("POST", f"/api/v1/models/{part(name)}:rollback")

    def snapshot(self, camera: str) -> bytes:
        """Return a camera's newest picture, a JPEG."""
        path = f"/api/v1/cameras/{part(camera)}/snapshot.jpg"
        return self._asker.ask("GET", path, headers={"Accept": "image/jpeg"}).content

    def camera_health(self, camera: str) -> Json:
        """Return how a camera is."""
        return self._object("GET", f"/api/v1/cameras/{part(camera)}/health")

    def probe(self, camera: str, url: str | None = None) -> Json:
        """Try a camera's address, or another one in its place."""
        path = f"/api/v1/cameras/{part(camera)}:probe"
        return self._object("POST", path, json={"url": url} if url else {})

    def decisions(self, *, most: int = 100) -> Items:
        """Return what the reconciler did and why, the latest first."""
        return list(self._asker.json("GET", "/api/v1/decisions", params={"limit": most})["items"])

    def explain(
        self, pipeline: str, *, at: str | None = None, window_s: float | None = None, zone: str | None = None
    ) -> Json:
        """Return why no alert came around a moment."""
        params = {"at": at, "window": window_s, "zone": zone}
        return self._object("GET", f"/api/v1/pipelines/{part(pipeline)}:explain", params=params)
