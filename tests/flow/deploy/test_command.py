"""`argus deploy` as its user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from argus.cli.deploy import deploy
from argus.core.errors import OutputError, SpecError

app = typer.Typer()
app.command()(deploy)


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_without_a_folder_the_manifests_are_printed(main_py: Path) -> None:
    kinds = [one["kind"] for one in yaml.safe_load_all(run(main_py, "--registry", "localhost:5000"))]
    assert kinds[0] == "ConfigMap"
    assert kinds.count("Deployment") == 4
    assert not (main_py.parent / "docker").exists()


def test_files_are_written_and_those_of_others_stay(main_py: Path, tmp_path: Path) -> None:
    out = tmp_path / "deploy"
    (out / "nodes").mkdir(parents=True)
    (out / "nodes" / "mine.yaml").write_text("kind: Mine\n", encoding="utf-8")
    written = run(main_py, "-r", "ghcr.io/me", "-o", out).split()
    assert str(out / "nodes" / "my-robot-yolo.yaml") in written
    assert all(Path(name).is_file() for name in written)
    assert (out / "nodes" / "mine.yaml").read_text() == "kind: Mine\n"
    assert run(main_py, "-r", "ghcr.io/me", "-o", out) == ""


def test_a_dry_run_writes_nothing(main_py: Path, tmp_path: Path) -> None:
    out = tmp_path / "deploy"
    assert "would write" in run(main_py, "-r", "ghcr.io/me", "-o", out, "--dry-run")
    assert not out.exists()


def test_a_file_that_is_somebody_elses_is_not_overwritten(main_py: Path, tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text("kind: Mine\n", encoding="utf-8")
    with pytest.raises(OutputError, match="not written by"):
        run(main_py, "-r", "ghcr.io/me", "-o", tmp_path)
    assert (tmp_path / "network.yaml").read_text() == "kind: Mine\n"
    assert not (tmp_path / "settings.yaml").exists()


def test_of_a_file_with_several_systems_one_is_named(main_py: Path) -> None:
    main_py.write_text(
        "from argus import System\n"
        'yard = System("yard")\nyard.node("nodes/camera")\n'
        'gate = System("gate")\ngate.node("nodes/camera")\n',
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match="gate, yard"):
        run(main_py, "-r", "ghcr.io/me")
    assert "gate-camera" in run(main_py, "-r", "ghcr.io/me", "--system", "ga")
