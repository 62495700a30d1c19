"""The public surface, the start-up cost and the arrows between layers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import argus

HEAVY = (
    "numpy",
    "cv2",
    "av",
    "onnxruntime",
    "openvino",
    "torch",
    "pydantic",
    "scipy",
    "shapely",
    "httpx",
    "jinja2",
)


def test_every_public_name_can_be_had() -> None:
    missing = [name for name in argus.__all__ if getattr(argus, name, None) is None]
    assert missing == []


def test_the_public_names_are_sorted_and_complete() -> None:
    assert sorted(argus.__all__) == argus.__all__
    assert set(argus.__all__) == set(argus._HOMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Telescope"):
        argus.Telescope  # noqa: B018


def test_the_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from argus.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run" in done.stdout
    assert done.stdout.strip().splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    "asked",
    [["schema", "Camera"], ["status"]],
    ids=lambda asked: asked[0],
)
def test_a_command_that_only_asks_loads_no_arrays_and_no_logging(asked: list[str]) -> None:
    """Half of the time that they took: a fifth of a second each on a slow machine."""
    code = (
        "import sys\n"
        "from argus.cli.main import app\n"
        f"try: app({asked!r})\n"
        "except (SystemExit, Exception): pass\n"
        "print('LOADED', {'numpy', 'shapely', 'structlog'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "LOADED set()"


def test_a_run_starts_without_what_few_runs_need() -> None:
    """Half a second on a slow machine: what compares two models, and what writes pages."""
    rare = ("scipy", "jinja2", "torch", "onnxruntime", "openvino")
    code = f"import sys, argus.vision.runner.job; print([m for m in {rare!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_argus_loads_nothing_heavy() -> None:
    code = f"import sys, argus; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
