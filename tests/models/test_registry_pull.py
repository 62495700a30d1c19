"""Pulling weights from a real server that behaves well, badly, and not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from argus.core.errors import DownloadFailed, ModelUnreadable, OutputError, SpecError, UnknownName
from argus.vision.models import load_detector
from argus.vision.models.catalogue import CATALOGUE
from argus.vision.models.pull import PullOptions, pull
from argus.vision.models.pull_address import WeightsAddress, parse_address
from argus.vision.models.pull_answer import total_of
from argus.vision.models.pull_download import Patience, Progress, download, part_of
from argus.vision.models.registry import ModelFacts, Registry
from argus.vision.models.registry_facts import read_facts
from argus.vision.models.registry_lock import locked
from tests.certificates import self_signed
from tests.conftest import need
from tests.models.tiny_network import write_tiny_detector
from tests.models.weights_server import Served, WeightsServer, serving

QUICK = Patience(tries=3, base_s=0.001, cap_s=0.002, silence_s=0.3)
CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving() as running:
        yield running


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


def fetch(address: str, downloads: Path, limit_bytes: int = 10**9) -> bytes:
    where = parse_address(address, unverified=True)
    with download(where, downloads, patience=QUICK, limit_bytes=limit_bytes) as file:
        return file.read_bytes()


def part(address: str, downloads: Path) -> Path:
    return part_of(parse_address(address, unverified=True), downloads)


def test_a_file_arrives_whole_with_its_progress(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT)
    seen: list[Progress] = []
    address = parse_address(server.url("/net.onnx"))
    with download(address, downloads, patience=QUICK, report=seen.append) as file:
        pass
    assert (file.name, file.read_bytes()) == ("net.onnx", CONTENT)
    assert [progress.done_bytes for progress in seen] == sorted(progress.done_bytes for progress in seen)
    assert seen[-1] == Progress(len(CONTENT), len(CONTENT))
    assert sorted(path.name for path in file.parent.iterdir()) == ["lock", "net.onnx"]


def test_a_broken_connection_is_resumed_where_it_ended(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, breaks_after=[300_000, 500_000])
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_a_silent_server_counts_as_a_broken_connection(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, hangs_after=[300_000])
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_later_pull_goes_on_where_the_last_one_gave_up(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, breaks_after=[300_000, 0, 0, 0])
    with pytest.raises(
        DownloadFailed, match=r"broke off, 3 times in a row; 0\.3 MB have arrived and are kept"
    ):
        fetch(server.url("/net.onnx"), downloads)
    assert part(server.url("/net.onnx"), downloads).stat().st_size == 300_000
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges[-1] == "bytes=300000-"


def test_a_file_that_changed_meanwhile_starts_over_instead_of_being_glued(
    server: WeightsServer, downloads: Path
) -> None:
    address = server.url("/net.onnx", checksum=False)
    server.files["/net.onnx"] = Served(b"old" * 100_000, breaks_after=[120_000, 0, 0, 0])
    with pytest.raises(DownloadFailed):
        fetch(address, downloads)
    server.files["/net.onnx"] = Served(CONTENT, etag='"two"')
    assert fetch(address, downloads) == CONTENT


@pytest.mark.parametrize("etag", ['"two"', None])
def test_nor_is_it_glued_where_the_server_sends_the_rest_of_another_file(
    server: WeightsServer, downloads: Path, etag: str | None
) -> None:
    address = server.url("/net.onnx", checksum=False)
    server.files["/net.onnx"] = Served(b"old" * 100_000, breaks_after=[120_000, 0, 0, 0])
    with pytest.raises(DownloadFailed):
        fetch(address, downloads)
    server.files["/net.onnx"] = Served(CONTENT, etag=etag, knows_if_range=False)
    assert fetch(address, downloads) == CONTENT


def test_an_etag_that_cannot_be_sent_back_is_as_none(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, etag='"caf\xe9"', breaks_after=[300_000])
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_length_beyond_all_numbers_is_none() -> None:
    assert total_of(httpx.Response(206, headers={"Content-Range": f"bytes 0-9/{'9' * 5000}"})) is None


def test_a_server_that_ignores_ranges_sends_all_of_it_again(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, knows_ranges=False, breaks_after=[300_000])
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_without_validator_and_checksum_nothing_is_resumed(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, etag=None, breaks_after=[300_000])
    assert fetch(server.url("/net.onnx", checksum=False), downloads) == CONTENT
    assert server.ranges == [None, None]


def test_without_validator_the_checksum_makes_resuming_safe(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, etag=None, breaks_after=[300_000])
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_part_that_does_not_fit_is_thrown_away_once(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, etag=None)
    spoilt = part(server.url("/net.onnx"), downloads)
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"x" * 1000)
    spoilt.with_name(f"{spoilt.name}.json").write_text(
        '{"etag": null, "modified": null, "total_bytes": null}'
    )
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_part_that_was_complete_already_is_only_verified(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT)
    done = part(server.url("/net.onnx"), downloads)
    done.parent.mkdir(parents=True)
    done.write_bytes(CONTENT)
    done.with_name(f"{done.name}.json").write_text(
        '{"etag": "\\"one\\"", "modified": null, "total_bytes": null}'
    )
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_file_without_a_stated_length_arrives(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, says_length=False)
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT


def test_wrong_content_is_deleted_and_both_checksums_are_told(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(b"something else")
    address = f"{server.url('/net.onnx', checksum=False)}#sha256={'0' * 64}"
    with pytest.raises(ModelUnreadable, match=f"not the file that was asked for .*expected {'0' * 64}"):
        fetch(address, downloads)
    assert list(downloads.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "the server answers 404 Not Found; nothing lies there: check the address"),
        (401, "it wants credentials"),
        (403, "access is not allowed"),
        (410, "look for its new address"),
        (418, "check the address"),
    ],
)
def test_a_refusal_is_told_at_once(server: WeightsServer, downloads: Path, status: int, said: str) -> None:
    server.files["/net.onnx"] = Served(CONTENT, statuses=[status])
    with pytest.raises(DownloadFailed, match=said):
        fetch(server.url("/net.onnx"), downloads)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_trouble_of_the_server_is_waited_out(
    server: WeightsServer, downloads: Path, status: int
) -> None:
    server.files["/net.onnx"] = Served(CONTENT, statuses=[status, status])
    assert fetch(server.url("/net.onnx"), downloads) == CONTENT


def test_nobody_at_the_address_is_told_after_a_few_tries(downloads: Path) -> None:
    with serving() as gone:
        gone.files["/net.onnx"] = Served(CONTENT)
        address = gone.url("/net.onnx")
    with pytest.raises(DownloadFailed, match=r"no connection .*3 times in a row; check the address"):
        fetch(address, downloads)


def test_redirects_are_followed_and_resumed(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, breaks_after=[300_000])
    server.files["/latest"] = Served(redirect="/hop")
    server.files["/hop"] = Served(redirect=server.url("/net.onnx", checksum=False))
    address = f"{server.url('/latest', checksum=False)}#sha256={server.files['/net.onnx'].sha256}"
    assert fetch(address, downloads) == CONTENT
    assert [asked.path for asked in server.asked] == ["/latest", "/hop", "/net.onnx"] * 2


def test_a_redirect_without_end_is_refused(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(redirect="/net.onnx")
    with pytest.raises(DownloadFailed, match="from address to address without end"):
        fetch(server.url("/net.onnx", checksum=False), downloads)


def test_a_redirect_to_a_file_is_refused(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(redirect="file:///etc/passwd")
    with pytest.raises(DownloadFailed, match="which is no web address"):
        fetch(server.url("/net.onnx", checksum=False), downloads)


@pytest.mark.parametrize("target", ["http://[half/net.onnx", "http://127.0.0.1:x/"])
def test_a_redirect_to_nonsense_is_refused(server: WeightsServer, downloads: Path, target: str) -> None:
    server.files["/net.onnx"] = Served(redirect=target)
    with pytest.raises(DownloadFailed, match="no address"):
        fetch(server.url("/net.onnx", checksum=False), downloads)


def test_an_address_that_no_client_takes_is_one_clear_error(downloads: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"onnx: this is no address \(Invalid non-printable"):
        fetch(f"https://example.org/\x01net.onnx#sha256={'0' * 64}", downloads)


def test_credentials_reach_their_host_and_no_other(server: WeightsServer, downloads: Path) -> None:
    with serving() as other:
        other.files["/net.onnx"] = Served(CONTENT)
        server.files["/net.onnx"] = Served(redirect=other.url("/net.onnx", checksum=False))
        address = server.url("/net.onnx", checksum=False).replace("://", "://me:secret@")
        assert fetch(address, downloads) == CONTENT
        assert server.asked[0].authorization is not None
        assert other.asked[0].authorization is None


def test_no_message_shows_a_secret(server: WeightsServer, downloads: Path) -> None:
    address = server.url("/net.onnx", checksum=False).replace("://", "://me:secret@") + "?token=hidden"
    with pytest.raises(DownloadFailed) as failed:
        fetch(address, downloads)
    assert "secret" not in str(failed.value)
    assert "hidden" not in str(failed.value)
    assert "***@127.0.0.1" in str(failed.value)


def test_a_file_longer_than_the_limit_is_refused_before_it_is_fetched(
    server: WeightsServer, downloads: Path
) -> None:
    server.files["/net.onnx"] = Served(CONTENT)
    with pytest.raises(DownloadFailed, match=r"longer than the limit .*--max-size"):
        fetch(server.url("/net.onnx"), downloads, limit_bytes=1000)
    assert not part(server.url("/net.onnx"), downloads).exists()


def test_a_file_that_hides_its_length_is_stopped_at_the_limit(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT, says_length=False)
    with pytest.raises(DownloadFailed, match="longer than the limit"):
        fetch(server.url("/net.onnx"), downloads, limit_bytes=1000)


def test_a_file_that_the_disk_has_no_room_for_is_refused_at_once(
    server: WeightsServer, downloads: Path
) -> None:
    server.files["/net.onnx"] = Served(CONTENT, headers={"Content-Length": str(10**17)}, says_length=False)
    with pytest.raises(OutputError, match=r"the file needs \d+ MB more and the disk has .*ARGUS_HOME"):
        fetch(server.url("/net.onnx"), downloads, limit_bytes=10**18)


def test_a_disk_that_fills_up_is_told_and_the_pull_can_go_on(server: WeightsServer, downloads: Path) -> None:
    need(Path("/dev/full").exists(), "no /dev/full on this system")
    server.files["/net.onnx"] = Served(CONTENT)
    address = server.url("/net.onnx")
    full = part(address, downloads)
    full.parent.mkdir(parents=True)
    full.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="the disk is full; free some space and pull again"):
        fetch(address, downloads)
    full.unlink()
    assert fetch(address, downloads) == CONTENT


def test_two_pulls_of_one_file_do_not_write_into_each_other(server: WeightsServer, downloads: Path) -> None:
    server.files["/net.onnx"] = Served(CONTENT)
    lock = part(server.url("/net.onnx"), downloads).parent / "lock"
    with locked(lock, "pulling this file", patience_s=0):
        with pytest.raises(OutputError, match=f"process {os.getpid()} is still busy with pulling this file"):
            fetch(server.url("/net.onnx"), downloads)


def test_who_pulls_what_another_is_registering_is_told_and_takes_nothing_away(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/tiny.onnx"] = Served(write_tiny_detector(tmp_path / "tiny.onnx").read_bytes())

    def looked_into(file: Path, told: ModelFacts) -> ModelFacts:
        with pytest.raises(OutputError, match=f"process {os.getpid()} is still busy with pulling this file"):
            pulled(server.url("/tiny.onnx"), tmp_path)
        return read_facts(file, told)

    monkeypatch.setattr("argus.vision.models.pull.read_facts", looked_into)
    registry, created = pulled(server.url("/tiny.onnx"), tmp_path)
    assert created
    assert [model.record.reference for model in registry.models()] == ["tiny@1"]


def test_a_lock_that_its_holder_removes_lets_one_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, real = tmp_path / "file" / "lock", fcntl.flock
    taken: list[int] = []

    def flock(descriptor: int, how: int) -> None:
        if not taken:  # between opening and locking
            shutil.rmtree(lock.parent)
        taken.append(descriptor)
        real(descriptor, how)

    monkeypatch.setattr("argus.vision.models.registry_lock.fcntl.flock", flock)
    with locked(lock, "pulling this file", patience_s=0):
        assert lock.read_text() == str(os.getpid())


def test_a_redirect_from_https_to_http_is_refused(
    server: WeightsServer, downloads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, signed = self_signed(tmp_path)
    server.files["/net.onnx"] = Served(CONTENT)
    with serving(certificate) as safe:
        safe.files["/net.onnx"] = Served(redirect=server.url("/net.onnx", checksum=False))
        address = f"{safe.url('/net.onnx', checksum=False)}#sha256={server.files['/net.onnx'].sha256}"
        with pytest.raises(DownloadFailed, match=r"certificate is not trusted; .*SSL_CERT_FILE"):
            fetch(address, downloads)
        monkeypatch.setenv("SSL_CERT_FILE", str(signed))
        with pytest.raises(DownloadFailed, match=r"leads from https to http://127\.0\.0\.1.* stays on https"):
            fetch(address, downloads)
    assert server.asked == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://example.org/net.onnx", "no checksum is given, .*add #sha256=….*--no-checksum"),
        ("https://example.org/net.onnx#sha256=12", "must be sha256= and 64 hexadecimal digits"),
        ("https://example.org/net.onnx#md5=12", "must be sha256= and 64 hexadecimal digits"),
        ("ftp://example.org/net.onnx#sha256=" + "0" * 64, "weights are pulled from https://HOST/FILE"),
        ("https://#sha256=" + "0" * 64, "weights are pulled from https://HOST/FILE"),
        ("https://host:port/net.onnx", "this is no address"),
    ],
)
def test_an_address_that_cannot_be_trusted_is_refused_with_the_remedy(address: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_address(address)


def test_plain_http_without_a_checksum_is_for_this_machine_only() -> None:
    with pytest.raises(SpecError, match="over plain http anybody on the way can change the file"):
        parse_address("http://example.org/net.onnx", unverified=True)
    assert parse_address("http://localhost:80/net.onnx", unverified=True).sha256 is None
    assert parse_address("http://example.org/net.onnx#sha256=" + "A" * 64).sha256 == "a" * 64


def test_a_file_name_from_an_address_is_one_that_any_disk_takes() -> None:
    def named(url: str) -> str:
        return WeightsAddress(url, None).file_name

    assert named("https://example.org/a/My%20net.onnx?download=1") == "My_net.onnx"
    assert named("https://example.org/..%2F..%2Fetc%2Fpasswd") == "passwd"
    assert named("https://example.org/") == "weights.onnx"


# From here on: from the address into the registry.


def pulled(what: str, folder: Path, **options: object) -> tuple[Registry, bool]:
    registry = Registry(folder / "models")
    done = pull(what, registry, folder / "downloads", replace(PullOptions(patience=QUICK), **options))  # type: ignore[arg-type]
    return registry, done.registration.created


def test_a_pulled_network_is_registered_with_what_it_says_of_itself(
    server: WeightsServer, tmp_path: Path
) -> None:
    content = write_tiny_detector(tmp_path / "tiny.onnx").read_bytes()
    server.files["/Tiny_Net.v2.onnx"] = Served(content)
    address = server.url("/Tiny_Net.v2.onnx").replace("://", "://me:secret@")
    registry, created = pulled(address, tmp_path)
    model = registry.resolve("tiny-net-v2")
    assert created
    assert (model.record.task, model.record.layout, model.record.labels) == (
        "detect",
        "yolov8",
        ("person", "car"),
    )
    assert (model.record.input_size, model.record.licence) == ((64, 64), "MIT")
    assert model.record.source.startswith("http://***@127.0.0.1")
    assert model.path.read_bytes() == content
    assert list((tmp_path / "downloads").iterdir()) == []


def test_what_is_here_already_is_not_fetched_again(server: WeightsServer, tmp_path: Path) -> None:
    server.files["/tiny.onnx"] = Served(write_tiny_detector(tmp_path / "tiny.onnx").read_bytes())
    pulled(server.url("/tiny.onnx"), tmp_path)
    _, created = pulled(server.url("/tiny.onnx"), tmp_path)
    assert not created
    assert len(server.asked) == 1


def test_pulling_again_mends_what_is_damaged(server: WeightsServer, tmp_path: Path) -> None:
    server.files["/tiny.onnx"] = Served(write_tiny_detector(tmp_path / "tiny.onnx").read_bytes())
    registry, _ = pulled(server.url("/tiny.onnx"), tmp_path)
    registry.resolve("tiny").path.write_bytes(b"broken")
    pulled(server.url("/tiny.onnx"), tmp_path)
    assert registry.resolve("tiny").record.reference == "tiny@1"


def test_a_page_instead_of_a_network_is_not_registered(server: WeightsServer, tmp_path: Path) -> None:
    server.files["/net.onnx"] = Served(b"<html>please log in</html>" * 100)
    with pytest.raises(ModelUnreadable, match="no ONNX network that can be read"):
        pulled(server.url("/net.onnx", checksum=False), tmp_path, unverified=True)
    assert Registry(tmp_path / "models").models() == []
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_file_of_this_machine_is_copied(tmp_path: Path) -> None:
    original = write_tiny_detector(tmp_path / "tiny.onnx")
    registry, _ = pulled(str(original), tmp_path, name="mine@5")
    original.write_bytes(b"changed later")
    assert registry.resolve("mine@5").record.labels == ("person", "car")


def write_in_two_files(path: Path, location: str) -> Path:
    """Write the tiny detector with its tensor in another file."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(write_tiny_detector(path)))
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    (path.parent / location).parent.mkdir(exist_ok=True)
    onnx.save(model, str(path), save_as_external_data=True, location=location, size_threshold=0)
    return path


def test_a_network_whose_tensors_lie_in_a_file_of_any_name_is_registered_with_it(tmp_path: Path) -> None:
    registry, _ = pulled(str(write_in_two_files(tmp_path / "tiny.onnx", "tensors.bin")), tmp_path)
    model = registry.resolve("tiny")
    assert [file.name for file in model.record.files] == ["tiny.onnx", "tensors.bin"]
    load_detector(model.path).close()


def test_a_network_whose_tensors_lie_in_another_folder_is_refused(tmp_path: Path) -> None:
    network = write_in_two_files(tmp_path / "tiny.onnx", "parts/tensors.bin")
    with pytest.raises(ModelUnreadable, match=r"its tensors lie in parts/tensors\.bin, and not in its own"):
        pulled(str(network), tmp_path)
    assert Registry(tmp_path / "models").models() == []


def test_what_is_told_wins_over_what_the_network_says(tmp_path: Path) -> None:
    told = ModelFacts(labels=("human", "vehicle"), licence="CC0-1.0", reading={"layout": "yolov8"})
    registry, _ = pulled(str(write_tiny_detector(tmp_path / "tiny.onnx")), tmp_path, told=told)
    model = registry.resolve("tiny")
    assert (model.record.labels, model.record.licence) == (("human", "vehicle"), "CC0-1.0")
    assert model.overrides == {"labels": ["human", "vehicle"], "layout": "yolov8"}


def test_weights_that_can_run_code_are_registered_without_being_opened(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    registry, _ = pulled(str(tmp_path / "net.pt"), tmp_path)
    assert registry.resolve("net").record.task is None


def test_a_registered_model_loads_by_its_name_and_is_read_as_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGUS_HOME", str(tmp_path))
    told = ModelFacts(labels=("human", "vehicle"))
    pulled(str(write_tiny_detector(tmp_path / "tiny.onnx")), tmp_path, told=told)
    for reference in ("tiny", "tiny@1"):
        model = load_detector(reference, precision="f32", engine="onnxruntime")
        assert model.labels == ("human", "vehicle")
        model.close()
    Registry.of_user().find("tiny").path.write_bytes(b"broken")
    with pytest.raises(ModelUnreadable, match="tiny@1 is damaged"):
        load_detector("tiny")


def test_a_name_that_is_nothing_lists_the_catalogue(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"'yolox-nan'; did you mean 'yolox-nano'.*known: d-fine-m"):
        pulled("yolox-nan", tmp_path)


def test_a_path_that_is_nothing_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match="there is no such file; check the path"):
        pulled(str(tmp_path / "none.onnx"), tmp_path)
    with pytest.raises(ModelUnreadable, match="this is a folder"):
        pulled(str(tmp_path), tmp_path)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_every_entry_of_the_catalogue_is_safe_to_pull(entry: object) -> None:
    from argus.vision.models.catalogue import CatalogueEntry
    from argus.vision.models.layouts.recognise import NAMES
    from argus.vision.models.registry_record import checked_name

    assert isinstance(entry, CatalogueEntry)
    assert checked_name(entry.name) == entry.name
    assert parse_address(f"{entry.url}#sha256={entry.sha256}") == entry.address
    assert entry.url.startswith("https://")
    assert entry.licence in {"Apache-2.0", "MIT", "BSD-3-Clause"}
    assert entry.layout in NAMES
    assert len(set(entry.labels)) == len(entry.labels) == 80


def test_the_reference_lists_the_catalogue_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "models.md").read_text(encoding="utf-8")
    for entry in CATALOGUE.values():
        width, height = entry.input_size
        cells = [f"`{entry.name}`", entry.title, entry.licence, f"{entry.size_mb} MB", f"{width}x{height}"]
        assert f"| {' | '.join(cells)} | {entry.accuracy} |" in page
