"""A keeper and what it keeps, over deaths of either and of who asks. All processes are real."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from argus.control.runtime.down import shut_down
from argus.control.runtime.homes import born, mark_of, read_note, socket_path
from argus.control.runtime.local import LocalRuntime
from argus.control.runtime.protocol import Probes, RuntimeUnavailable, Workload
from argus.control.runtime.words import Done, Greeting, Listing, encoded
from argus.core.errors import OutputError
from argus.core.settings import Settings
from tests.control.runtime.parts import (
    HTTP,
    LINE,
    ensure,
    gone,
    keeper_of,
    kill,
    kill_with_guards,
    played,
    program,
    settles,
)
from tests.control.runtime.worlds import RealWorld
from tests.processes.parts import lives, marked


def test_what_runs_goes_on_without_who_asked_for_it_and_is_found_again(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        first = await ensure(world)
        await world.runtime.close()
        assert lives(first.pid)
        world.runtime = LocalRuntime(world.settings)
        seen = await world.runtime.statuses()
        assert (seen["one"].pid, seen["one"].starts, seen["one"].workload) == (first.pid, 1, first.workload)

    played(tmp_path, play)


def test_a_worker_is_kept_running_while_no_control_plane_is_there(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        first = await ensure(world)
        assert first.pid is not None
        await world.runtime.close()
        kill(first.pid)
        world.runtime = LocalRuntime(world.settings)
        seen = await settles(world, lambda all_: all_["one"].restarts == 1 and all_["one"].pid)
        assert seen["one"].last_exit == "killed by SIGKILL"

    played(tmp_path, play)


def test_a_control_plane_that_is_killed_takes_nothing_with_it(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        source = (
            "import asyncio, sys, time\n"
            "from argus.core.logging import configure_logging\n"
            "from pathlib import Path\n"
            "from argus.control.runtime.local import LocalRuntime\n"
            "from argus.control.runtime.protocol import Workload\n"
            "from argus.core.settings import Settings\n"
            "configure_logging()\n"
            "async def main():\n"
            "    runtime = LocalRuntime(Settings(Path(sys.argv[1])))\n"
            "    await runtime.ensure(Workload(name='one', command=('sleep', '300')))\n"
            "    while not (await runtime.statuses())['one'].pid: await asyncio.sleep(0.01)\n"
            "    print((await runtime.statuses())['one'].pid, flush=True)\n"
            "    time.sleep(300)\n"
            "asyncio.run(main())\n"
        )
        command = [sys.executable, "-c", source, str(world.settings.home)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as plane:
            assert plane.stdout is not None
            pid = int(await asyncio.to_thread(plane.stdout.readline))
            # As a terminal that is closed would, and then for sure.
            plane.send_signal(signal.SIGHUP)
            plane.kill()
        assert lives(pid)
        assert (await world.runtime.statuses())["one"].pid == pid

    played(tmp_path, play)


def test_after_the_death_of_the_keeper_all_goes_on_under_a_new_one(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        service = await ensure(world)
        job = await ensure(world, "job", kind="job", retries=1)
        done = await ensure(world, "done", kind="job")
        await world.end("done", 0)
        await settles(world, lambda all_: all_["done"].state == "succeeded")
        kill(keeper_of(world).pid)
        seen = await settles(
            world,
            lambda all_: (
                all_["one"].pid not in {None, service.pid} and all_["job"].pid not in {None, job.pid}
            ),
        )
        assert not any(lives(one.pid) for one in (service, job, done))
        assert (seen["one"].starts, seen["one"].restarts, seen["one"].last_exit) == (2, 1, "cut short")
        assert seen["job"].starts == 2
        assert (seen["done"].state, seen["done"].starts) == ("succeeded", 1)
        kill(keeper_of(world).pid)
        seen = await settles(world, lambda all_: all_["job"].state == "failed")
        assert seen["job"].reason == "cut short: its keeper was ended (tried 2 times)"

    played(tmp_path, play)


def test_what_outlived_its_keeper_and_the_guard_is_ended_before_it_is_started_again(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        family = ("sh", "-c", "setsid sleep 301 & sleep 301")
        before = await ensure(world, command=family)
        keeper = keeper_of(world)
        everybody = marked(f"ARGUS_KEPT={mark_of(world.settings.home)}") - {keeper.pid}
        kill_with_guards(keeper.pid)
        assert lives(before.pid)
        await settles(world, lambda all_: all_["one"].pid not in {None, before.pid})
        assert not any(map(lives, everybody))

    played(tmp_path, play)


def test_two_who_come_at_once_find_the_same_keeper(tmp_path: Path) -> None:
    async def main() -> None:
        settings = Settings(tmp_path / "home")
        several = [LocalRuntime(settings) for _ in range(4)]
        await asyncio.gather(*(runtime.statuses() for runtime in several))
        await several[0].ensure(Workload(name="one", command=("sleep", "300")))
        names = [set(await runtime.statuses()) for runtime in several]
        assert names == [{"one"}] * 4
        await asyncio.gather(*(runtime.close() for runtime in several))
        assert await shut_down(settings)

    asyncio.run(main())


def test_a_keeper_is_of_nobodys_terminal_and_session(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        await world.runtime.statuses()
        pid = keeper_of(world).pid
        assert os.getsid(pid) == pid
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
        kill(pid, number=signal.SIGHUP)
        await ensure(world)
        assert keeper_of(world).pid == pid

    played(tmp_path, play)


def test_what_a_keeper_writes_down_is_for_its_owner_alone(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        await ensure(world, config="password", env={"KEY": "secret"})
        run = world.settings.run
        modes = {
            str(path.relative_to(run)): stat.S_IMODE(path.lstat().st_mode) for path in (run, *run.rglob("*"))
        }
        assert modes.pop("keeper.sock", 0o600) == 0o600
        folders = {".", "workloads", "workloads/one"}
        assert {name for name, mode in modes.items() if mode == 0o700} == folders
        assert {mode for name, mode in modes.items() if name not in folders} == {0o600}

    played(tmp_path, play)


def test_a_program_finds_its_config_and_sees_it_replaced_as_a_whole(tmp_path: Path) -> None:
    read = """
    last = None
    line.ready()
    while not line.draining.wait(0.002):
        with open(os.environ["ARGUS_WORKER_CONFIG"]) as file:
            text = file.read()
        if text != last:
            print(len(text), set(text), flush=True)
            last = text
    """

    async def play(world: RealWorld) -> None:
        for text in ("a" * 100_000, "b" * 200_000, "c" * 100_000):
            status = await ensure(world, command=program(LINE, read), config=text)
            log = world.settings.logs / "one.log"
            async with asyncio.timeout(10):
                while not log.exists() or f"{{'{text[0]}'}}" not in log.read_text():
                    await asyncio.sleep(0.01)
        assert status.starts == 1
        assert log.read_text().split("\n") == ["100000 {'a'}", "200000 {'b'}", "100000 {'c'}", ""]

    played(tmp_path, play)


def test_the_key_of_the_api_is_told_to_no_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGUS_API_KEY", "secret")
    monkeypatch.setenv("GATE_PASSWORD", "needed")

    async def play(world: RealWorld) -> None:
        await ensure(world, command=("sh", "-c", "env; sleep 300"))
        log = world.settings.logs / "one.log"
        async with asyncio.timeout(10):
            while "GATE_PASSWORD=needed" not in (log.read_text() if log.exists() else ""):
                await asyncio.sleep(0.01)
        assert "ARGUS_API_KEY" not in log.read_text()
        assert f"ARGUS_HOME={world.settings.home}\n" in log.read_text()

    played(tmp_path, play)


def test_a_home_with_a_long_path_has_a_keeper_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long-" * 20) / ("name-" * 20)
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")

    async def play(world: RealWorld) -> None:
        await ensure(world)
        path = Path(keeper_of(world).socket)
        assert path.parent == Path(f"/tmp/argus-{os.geteuid()}")
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await world.runtime.stop_all()
        assert not path.exists()

    played(folder, play)


def test_a_folder_of_sockets_that_is_a_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / f"argus-{os.geteuid()}").symlink_to(tmp_path / "mine")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(OutputError, match="no folder of this user"):
        socket_path(tmp_path / ("long-" * 20) / "run", "0" * 16)


def test_the_note_of_a_process_that_is_another_now_counts_for_nothing(tmp_path: Path) -> None:
    """As after a reboot: the number belongs to somebody, who began at another time."""

    async def play(world: RealWorld) -> None:
        run = world.settings.run
        folder = run / "workloads" / "one"
        folder.mkdir(parents=True)
        ours = born(os.getpid())
        assert ours is not None
        (run / "keeper.json").write_text(
            json.dumps(
                {"pid": os.getpid(), "born": ours - 1, "socket": str(run / "keeper.sock"), "version": "0"}
            )
        )
        (run / "keeper.sock").write_text("")
        workload = {"name": "one", "command": ["sleep", "300"]}
        (folder / "workload.json").write_text(json.dumps(workload))
        life = {"state": "running", "since": "2026-01-01T00:00:00Z", "pid": os.getpid(), "born": ours - 1}
        (folder / "state.json").write_text(json.dumps(life))
        seen = await settles(world, lambda all_: all_["one"].pid is not None)
        assert seen["one"].pid != os.getpid()
        assert keeper_of(world).pid != os.getpid()

    played(tmp_path, play)


def test_a_note_counts_only_where_the_process_began_when_it_says(tmp_path: Path) -> None:
    def write(pid: int, began: int) -> None:
        note = {"pid": pid, "born": began, "socket": "", "version": ""}
        (tmp_path / "keeper.json").write_text(json.dumps(note))

    ours = born(os.getpid())
    assert ours is not None
    write(os.getpid(), ours)
    assert read_note(tmp_path) is not None
    write(os.getpid(), ours + 1)
    assert read_note(tmp_path) is None
    (tmp_path / "keeper.json").write_text('{"pid": 1')
    assert read_note(tmp_path) is None


def test_files_that_are_damaged_harm_nobody_else(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        await ensure(world)
        await ensure(world, "two")
        await ensure(world, "three")
        keeper = keeper_of(world)
        await world.runtime.close()
        kill(keeper.pid)
        await gone(keeper.pid)
        folder = world.settings.run / "workloads"
        (folder / "one" / "workload.json").write_bytes(b'{"name": "one", "comm')
        (folder / "two" / "state.json").write_bytes(b"\0" * 40)
        (folder / "..hostile").mkdir()
        shutil.copytree(folder / "three", folder / "four")
        world.runtime = LocalRuntime(world.settings)
        seen = await settles(world, lambda all_: {n for n, s in all_.items() if s.pid} == {"two", "three"})
        assert seen["two"].starts == 1
        await ensure(world)

    played(tmp_path, play)


def test_a_full_disk_stops_nothing_that_runs_and_is_said(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        await ensure(world)
        pid = keeper_of(world).pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await world.end("one", 1)
        seen = await settles(world, lambda all_: all_["one"].restarts == 1 and all_["one"].pid)
        with pytest.raises(RuntimeUnavailable, match=r"cannot write .*workload\.json"):
            await world.runtime.ensure(Workload(name="one", command=world.command("one"), config="b"))
        with pytest.raises(RuntimeUnavailable, match="workload two cannot be told: cannot write"):
            await world.runtime.ensure(Workload(name="two", command=("true",)))
        assert (await world.runtime.statuses())["one"].workload == seen["one"].workload
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        after = await ensure(world, config="b")
        assert after.pid == seen["one"].pid
        assert (world.settings.run / "workloads" / "one" / "config.json").read_text() == "b"

    played(tmp_path, play)


def test_nonsense_on_its_socket_harms_only_who_sends_it(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        await ensure(world)
        with contextlib.ExitStack() as stack:
            for nonsense in (
                b"\0" * 100_000,
                b"GET / HTTP/1.1\r\n\r\n",
                b'{"type": "remove"',
                b'{"type": "ensure", "id": 1, "workload": {"name": "../x", "command": ["true"]}}\n',
                b"[" * 100_000 + b"\n",
            ):
                connection = stack.enter_context(socket.socket(socket.AF_UNIX))
                connection.connect(keeper_of(world).socket)
                connection.sendall(nonsense)
            assert set(await world.runtime.statuses()) == {"one"}
        assert set(await world.runtime.statuses()) == {"one"}

    played(tmp_path, play)


def test_a_keeper_whose_home_is_removed_ends_with_all_that_it_runs(tmp_path: Path) -> None:
    async def main() -> None:
        world = RealWorld(tmp_path)
        status = await ensure(world)
        pid = keeper_of(world).pid
        await world.runtime.close()
        shutil.rmtree(world.settings.home)
        assert status.pid is not None
        await gone(pid)
        assert not lives(status.pid)

    asyncio.run(main())


def test_going_down_leaves_nothing_that_says_running(tmp_path: Path) -> None:
    async def main() -> None:
        world = RealWorld(tmp_path)
        statuses = [
            await ensure(world, f"w{n}", command=("sh", "-c", "trap '' HUP; sleep 300 & sleep 300"))
            for n in range(3)
        ]
        done = await ensure(world, "done", kind="job")
        await world.end("done", 0)
        await settles(world, lambda all_: all_["done"].state == "succeeded")
        pid = keeper_of(world).pid
        await world.runtime.stop_all()
        assert not any(lives(one) for one in (pid, *(status.pid for status in statuses)))
        assert not marked(f"ARGUS_KEPT={mark_of(world.settings.home)}")
        left = {path.name for path in world.settings.run.rglob("*") if path.is_file() or path.is_socket()}
        assert left == {"keeper.lock", "keeper.log", "workload.json", "state.json", "config.json"}
        assert not await shut_down(world.settings)
        world.runtime = LocalRuntime(world.settings)
        seen = await world.runtime.statuses()
        assert {name: (one.state, one.starts) for name, one in seen.items()} == {"done": ("succeeded", 1)}
        assert done.workload == seen["done"].workload
        await world.runtime.stop_all()

    asyncio.run(main())


def test_all_are_ended_side_by_side(tmp_path: Path) -> None:
    slow = "line.ready(); line.draining.wait(); time.sleep(1)"

    async def main() -> None:
        world = RealWorld(tmp_path)
        names = [f"w{n}" for n in range(4)]
        await asyncio.gather(*(ensure(world, name, command=program(LINE, slow)) for name in names))
        began = time.monotonic()
        await world.runtime.stop_all()
        assert time.monotonic() - began < 3.0

    asyncio.run(main())


def test_a_keeper_that_is_asked_to_end_by_the_system_goes_on_afterwards(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        before = await ensure(world, "job", kind="job", retries=0)
        keeper = keeper_of(world)
        await world.runtime.close()
        kill(keeper.pid, number=signal.SIGTERM)
        await gone(keeper.pid)
        assert not lives(before.pid)
        world.runtime = LocalRuntime(world.settings)
        seen = await settles(world, lambda all_: all_["job"].pid)
        assert (seen["job"].state, seen["job"].starts) == ("running", 2)

    played(tmp_path, play)


def test_down_ends_also_what_a_killed_keeper_and_guard_have_left(tmp_path: Path) -> None:
    async def main() -> None:
        world = RealWorld(tmp_path)
        status = await ensure(world)
        await world.runtime.close()
        keeper = keeper_of(world)
        kill_with_guards(keeper.pid)
        await gone(keeper.pid)
        assert lives(status.pid)
        assert not await shut_down(world.settings)
        assert not lives(status.pid)
        assert not list((world.settings.run / "workloads").iterdir())

    asyncio.run(main())


@pytest.mark.soak
def test_down_kills_a_keeper_that_does_not_answer(tmp_path: Path) -> None:
    async def main() -> None:
        world = RealWorld(tmp_path)
        status = await ensure(world)
        await world.runtime.close()
        keeper = keeper_of(world)
        kill(keeper.pid, number=signal.SIGSTOP)
        assert await shut_down(world.settings)
        assert not lives(keeper.pid)
        assert not lives(status.pid)

    asyncio.run(main())


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        async with LocalRuntime(Settings(tmp_path / "file" / "home")) as runtime:
            with pytest.raises(RuntimeUnavailable, match="cannot write"):
                await runtime.statuses()

    asyncio.run(main())


def test_who_asks_finds_out_that_the_keeper_is_of_another_version(tmp_path: Path) -> None:
    async def main() -> None:
        settings = Settings(tmp_path)
        settings.run.mkdir()
        path = settings.run / "keeper.sock"
        greeting = {"type": "greeting", "version": "9.9", "pid": 1, "home": "", "protocol": 99}

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(json.dumps(greeting).encode() + b"\n")
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(greet, str(path))
        note = {"pid": os.getpid(), "born": born(os.getpid()), "socket": str(path), "version": "9.9"}
        (settings.run / "keeper.json").write_text(json.dumps(note))
        runtime = LocalRuntime(settings)
        with pytest.raises(RuntimeUnavailable, match=r"Argus 9\.9, which speaks otherwise: `argus down`"):
            await runtime.statuses()
        await runtime.close()
        server.close()

    asyncio.run(main())


def test_a_keeper_of_another_version_that_can_be_understood_is_used_and_remarked_on(tmp_path: Path) -> None:
    async def main() -> None:
        settings = Settings(tmp_path)
        settings.run.mkdir()
        path = settings.run / "keeper.sock"

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encoded(Greeting(version="0.0", pid=os.getpid(), home=str(tmp_path))))
            while line := await reader.readline():
                word = json.loads(line)
                if word["type"] == "statuses":
                    writer.write(encoded(Listing(id=word["id"], statuses=[])))
                else:
                    writer.write(encoded(Done(id=word["id"])))
            writer.close()

        server = await asyncio.start_unix_server(answer, str(path))
        note = {"pid": os.getpid(), "born": born(os.getpid()), "socket": str(path), "version": "0.0"}
        (settings.run / "keeper.json").write_text(json.dumps(note))
        async with LocalRuntime(settings) as runtime:
            assert runtime.remark == ""
            assert await runtime.statuses() == {}
            assert "is of Argus 0.0" in runtime.remark
            assert "`argus down` and `argus up` replace it" in runtime.remark
        server.close()

    asyncio.run(main())


PROBES = Probes(readiness="/readyz", liveness="/healthz", every_s=0.1, timeout_s=5.0, failures=3)


def test_a_worker_is_ready_when_it_says_so(tmp_path: Path) -> None:
    answer = """
    def answer(path):
        return 200 if path == "/healthz" or os.path.exists(sys.argv[1]) else 503
    """

    async def play(world: RealWorld) -> None:
        told = tmp_path / "ready"
        command = (*program(LINE, answer, HTTP, "line.draining.wait()"), str(told))
        await ensure(world, command=command, probes=PROBES)
        seen = await settles(world, lambda all_: all_["one"].port)
        assert (seen["one"].state, seen["one"].ready) == ("starting", False)
        told.touch()
        seen = await settles(world, lambda all_: all_["one"].ready)
        assert (seen["one"].state, seen["one"].healthy) == ("running", True)
        told.unlink()
        seen = await settles(world, lambda all_: not all_["one"].ready)
        assert (seen["one"].state, seen["one"].starts) == ("running", 1)

    played(tmp_path, play)


def test_a_worker_that_says_it_is_unhealthy_is_not_started_again(tmp_path: Path) -> None:
    asked = """
    count = []
    def answer(path):
        count.append(path)
        print(len(count), flush=True)
        return 503
    """

    async def play(world: RealWorld) -> None:
        await ensure(world, command=program(LINE, asked, HTTP, "line.draining.wait()"), probes=PROBES)
        log = world.settings.logs / "one.log"
        async with asyncio.timeout(15):
            while not log.exists() or "12" not in log.read_text().split():
                await asyncio.sleep(0.02)
        status = (await world.runtime.statuses())["one"]
        assert (status.healthy, status.starts) == (False, 1)

    played(tmp_path, play)


def test_a_worker_that_does_not_answer_is_started_again_with_the_reason(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        healthy = "def answer(path): return 200"
        impatient = msgspec.structs.replace(PROBES, timeout_s=0.5)
        command = program(LINE, healthy, HTTP, "line.draining.wait()")
        await ensure(world, command=command, probes=impatient)
        before = await settles(world, lambda all_: all_["one"].ready)
        assert before["one"].pid is not None
        kill(before["one"].pid, number=signal.SIGSTOP)
        seen = await settles(world, lambda all_: all_["one"].restarts == 1 and all_["one"].ready)
        assert seen["one"].last_exit.startswith("did not answer at /healthz 3 times in a row")
        assert seen["one"].port != before["one"].port

    played(tmp_path, play)


def test_a_worker_that_never_tells_its_port_is_started_again(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        probes = Probes(liveness="/healthz", start_s=0.3)
        await ensure(world, command=program(LINE, "line.ready(); line.draining.wait()"), probes=probes)
        seen = await settles(world, lambda all_: all_["one"].restarts)
        assert seen["one"].last_exit.startswith("did not tell its port within 0.3 s of its start")

    played(tmp_path, play)
