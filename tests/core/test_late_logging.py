"""structlog is there when something is said, as it was asked for, and without rich; who needs rich has it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from structlog.testing import capture_logs

from argus.core.late_logging import LateLogger


def ran(code: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_the_process_of_a_node_starts_without_structlog() -> None:
    assert ran("import sys, argus.flow.worker; print({'structlog', 'rich', 'asyncio'} & {*sys.modules})") == (
        "set()\n",
        "",
    )


def test_structlog_comes_without_rich_which_is_there_for_others() -> None:
    code = (
        "import sys, argus.flow, structlog; assert 'rich' not in sys.modules and structlog.dev.rich is None;"
        "import rich.console; print(rich.console.Console)"
    )
    assert "Console" in ran(code)[0]


def test_another_thread_finds_rich_while_structlog_is_loaded() -> None:
    code = """
import sys, threading, argus.flow
from importlib.machinery import PathFinder
class Between:
    def find_spec(self, name, path=None, target=None):
        if name != "structlog.dev":
            return None
        spec = PathFinder.find_spec(name, path)
        load = spec.loader.exec_module
        def exec_module(module):
            def other():
                import rich.console
                print(rich.console.Console)
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(30)
            print("joined" if not thread.is_alive() else "stuck")
            load(module)
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, Between())
import structlog
"""
    assert ran(code)[0].split() == ["<class", "'rich.console.Console'>", "joined"]


def test_who_loaded_structlog_before_keeps_it_as_it_was() -> None:
    ran("import structlog, argus.flow; assert structlog.dev.rich is not None; import rich; rich.print")


@pytest.mark.parametrize(
    "first_use",
    [
        "from argus.core.late_logging import LateLogger; LateLogger(node='cam').warning('happened', n=1)",
        "import structlog; structlog.get_logger().warning('happened', node='cam', n=1)",
    ],
)
def test_who_uses_it_first_finds_it_configured(first_use: str) -> None:
    code = f"""
from argus.core.late_logging import when_loaded
def configure():
    from argus.core.logging import configure_logging
    configure_logging("warning", json=True)
when_loaded(configure)
{first_use}
import structlog
structlog.get_logger().info("not to be seen")
"""
    out, err = ran(code)
    assert out == ""
    assert '"node": "cam", "n": 1, "event": "happened"' in err
    assert "not to be seen" not in err


def test_what_is_wanted_of_structlog_that_is_there_is_done_at_once() -> None:
    then = "when_loaded(lambda: print('now'))"
    code = f"import structlog; from argus.core.late_logging import when_loaded; {then}"
    assert ran(code)[0] == "now\n"


def test_a_logger_says_what_was_bound() -> None:
    log = LateLogger(node="cam").bind(link="cam->gpu")
    with capture_logs() as said:
        log.warning("happened", n=1)
        log.bind(n=2).error("again")
    assert said == [
        {"node": "cam", "link": "cam->gpu", "n": 1, "event": "happened", "log_level": "warning"},
        {"node": "cam", "link": "cam->gpu", "n": 2, "event": "again", "log_level": "error"},
    ]


def test_a_logger_has_no_methods_that_python_looks_for() -> None:
    log: Any = LateLogger()
    with pytest.raises(AttributeError):
        log.__getstate_of_something__()


def test_what_goes_wrong_is_said_though_no_file_can_be_opened() -> None:
    code = """
import os, resource
from argus.core.late_logging import LateLogger
log = LateLogger(node="cam")
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    open("/dev/null")
except OSError as error:
    log.error("node.loop_failed", message="cam/1", exc_info=error)
    log.exception("node.failed")
resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
log.warning("again", n=1)
"""
    out, err = ran(code)
    assert "node.loop_failed node=cam message=cam/1 OSError(24" in err
    assert "node.failed node=cam OSError(24" in err
    assert "again" in out
