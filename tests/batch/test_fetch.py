import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from hilander.batch import FetchError, SourceError, fetch

SECRET = "hunter22"


class Server(SimpleHTTPRequestHandler):
    """Files of a folder, and faults on demand."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        if ("once" in self.path and self.asked.count(self.path) == 1) or "busy" in self.path:
            self.send_error(503)
        elif "private" in self.path:
            self.send_error(403)
        elif "cut" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 500)
        else:
            super().do_GET()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "faces.npy").write_bytes(b"embeddings")
    handler = partial(Server, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def store():
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe({"/set/a/1.png": b"1", "/set/b/2.png": b"22", "/set/.hidden/3.png": b"3"})
    yield filesystem
    filesystem.rm("/", recursive=True)


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_local_path_is_used_as_it_is(tmp_path):
    assert fetch(tmp_path, tmp_path / "new") == tmp_path
    assert not (tmp_path / "new").exists()
    with pytest.raises(SourceError, match="no such file or folder"):
        fetch(tmp_path / "absent", tmp_path / "new")


def test_a_folder_comes_whole_without_hidden_files(tmp_path, store):
    folder = fetch("memory://set", tmp_path / "new")
    assert folder == tmp_path / "new"
    assert contents(folder) == {"a/1.png": b"1", "b/2.png": b"22"}


def test_a_finished_download_is_used_again_and_only_for_its_source(tmp_path, store):
    first = fetch("memory://set/a/1.png", tmp_path / "new")
    store.rm("/set/a/1.png")
    assert fetch("memory://set/a/1.png", tmp_path / "new") == first
    with pytest.raises(SourceError, match="another source"):
        fetch("memory://set/b/2.png", tmp_path / "new")


def test_a_file_over_http_is_named_without_its_query(tmp_path, server):
    path = fetch(f"{server}/faces.npy?token={SECRET}", tmp_path / "new", show_progress=True)
    assert path.name == "faces.npy"
    assert path.read_bytes() == b"embeddings"
    assert SECRET not in "".join(map(str, tmp_path.rglob("*")))


def test_a_folder_over_http_is_its_index_page(tmp_path, server):
    assert contents(fetch(f"{server}/", tmp_path / "new")) == {"faces.npy": b"embeddings"}


def test_of_files_side_by_side_only_one_that_failed_is_fetched_again(tmp_path, server):
    names = [f"{number:02d}.png" for number in range(20)] + ["once.png"]
    for name in names:
        (tmp_path / "served" / name).write_bytes(name.encode())
    Server.asked.clear()
    with pytest.raises(FetchError, match="503"):
        fetch(f"{server}/", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    n_asked = len(Server.asked)
    assert set(contents(fetch(f"{server}/", tmp_path / "new"))) == {*names, "faces.npy"}
    assert [path for path in Server.asked[n_asked:] if path != "/"] == ["/once.png"]


def test_of_several_faults_one_that_cannot_pass_is_told(tmp_path, server):
    for name in ("busy.png", "private.png"):
        (tmp_path / "served" / name).write_bytes(b"")
    with pytest.raises(SourceError, match="403"):
        fetch(f"{server}/", tmp_path / "new")


@pytest.fixture
def got_by_breaking_store(store, monkeypatch):
    """What is asked of a store whose connection breaks at the second file, once."""
    got, get_file = [], type(store).get_file

    def break_once(self, remote, local, **options):
        got.append(remote)
        if len(got) == 2:
            raise ConnectionResetError("gone")
        get_file(self, remote, local, **options)

    monkeypatch.setattr(type(store), "get_file", break_once)
    return got


def test_one_file_after_the_other_keeps_those_before_the_fault(tmp_path, got_by_breaking_store):
    with pytest.raises(FetchError, match="ConnectionResetError: gone"):
        fetch("memory://set", tmp_path / "new")
    fetch("memory://set", tmp_path / "new")
    assert got_by_breaking_store == ["/set/a/1.png", "/set/b/2.png", "/set/b/2.png"]


@pytest.mark.parametrize(
    ("path", "kind"), [("busy", FetchError), ("cut.npy", FetchError), ("absent", SourceError), ("private", SourceError)]
)
def test_faults_tell_whether_they_can_pass_and_no_secret(tmp_path, server, path, kind):
    source = f"{server}/{path}?X-Amz-Signature={SECRET}"
    with pytest.raises((FetchError, SourceError)) as caught:
        fetch(source, tmp_path / "new")
    error = caught.value
    assert type(error) is kind
    assert SECRET not in str(error)
    assert error.__cause__ is error.__context__ is None  # a logged traceback would quote the URL
    assert not (tmp_path / "new").exists()


def test_a_server_that_does_not_answer_may_later(tmp_path):
    with pytest.raises(FetchError, match="Connect"):
        fetch("http://127.0.0.1:1/faces.npy", tmp_path / "new")


@pytest.mark.parametrize("source", ["nonsense://host/f.npy", "memory://absent", "memory://empty"])
def test_what_can_never_be_fetched(tmp_path, store, source):
    store.mkdir("/empty")
    with pytest.raises(SourceError, match=source):
        fetch(source, tmp_path / "new")


def test_a_failed_download_is_no_download_and_is_carried_on(tmp_path, got_by_breaking_store, monkeypatch):
    monkeypatch.setattr(import_module("hilander.batch.fetching"), "_FILES_AT_ONCE", 1)
    with pytest.raises(FetchError, match="ConnectionResetError: gone"):
        fetch("memory://set", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    [partial] = tmp_path.iterdir()
    (partial / "a" / "0.png").write_bytes(b"removed from the source since")
    assert contents(fetch("memory://set", tmp_path / "new")) == {"a/1.png": b"1", "b/2.png": b"22"}
    assert got_by_breaking_store == ["/set/a/1.png", "/set/b/2.png", "/set/b/2.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_folder_that_cannot_be_listed_for_now_is_not_left_out(tmp_path, monkeypatch):
    for name in ("a", "b", ".hidden"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "1.png").write_bytes(name.encode())
    ls = LocalFileSystem.ls

    def breaks(self, path, **options):
        if path.rstrip("/").endswith("/b"):
            raise ConnectionResetError("gone")
        return ls(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "ls", breaks)
        with pytest.raises(FetchError, match="ConnectionResetError: gone; try again"):
            fetch(f"file://{tmp_path}/set", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert contents(fetch(f"file://{tmp_path}/set", tmp_path / "new")) == {"a/1.png": b"a", "b/1.png": b"b"}


def test_a_store_cannot_write_outside_the_folder(tmp_path, store, monkeypatch):
    monkeypatch.setattr(type(store), "find", lambda *_, **__: {"/set/../../evil.png": {"size": 1}})
    with pytest.raises(SourceError, match="outside"):
        fetch("memory://set", tmp_path / "new")
