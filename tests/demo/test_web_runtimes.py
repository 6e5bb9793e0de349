"""The runtimes of pages: fetched by npm alone, kept only as pinned, and asked for with the command that brings them."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgekd.demo import runtimes
from edgekd.demo.runtimes import PackageFile, WebRuntime, fetch_runtime, has_runtime, load_runtime
from edgekd.errors import EdgekdError, StorageError

CONTENT = b"export const answer = 42;\n"
FILES = {"module": PackageFile("dist/index.js", hashlib.sha256(CONTENT).hexdigest())}


def package() -> bytes:
    """A package as npm packs it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in (("package/dist/index.js", CONTENT), ("package/package.json", b"{}")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebRuntime:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = package()
    (tmp_path / "package.tgz").write_bytes(content)
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
    return WebRuntime("Small.js", "@small/core", "1.2.3", "MIT", integrity, len(content), "@small/core", FILES)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program called npm, with these lines of shell, alone on the PATH."""

    def put(lines: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "npm").write_text(f"#!/bin/sh\n{lines}\n")
        (folder / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return put


def test_what_npm_packs_is_kept_where_it_is_the_pinned_package(
    runtime: WebRuntime, npm: Callable[[str], None], tmp_path: Path
) -> None:
    npm(f'echo "$@" > {tmp_path}/asked; /bin/cp {tmp_path}/package.tgz "$4/small-core-1.2.3.tgz"')
    assert not has_runtime(runtime)
    assert fetch_runtime(runtime) == runtime.folder == tmp_path / "cache" / "edgekd" / "web" / "small-core-1.2.3"
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:3] == ["pack", "--ignore-scripts", "--pack-destination"] and asked[4:] == ["@small/core@1.2.3"]
    assert load_runtime(runtime, "edgekd demo --fetch") == {"module": CONTENT}
    assert [path.name for path in runtime.folder.iterdir()] == ["index.js"]
    (runtime.folder / "index.js").write_bytes(CONTENT + b"// more\n")
    with pytest.raises(StorageError, match=r"is not the file of Small\.js 1\.2\.3 .*: edgekd demo --fetch$"):
        load_runtime(runtime, "edgekd demo --fetch")


def test_another_package_under_the_same_name_is_not_kept(
    runtime: WebRuntime, npm: Callable[[str], None], tmp_path: Path
) -> None:
    npm(f'/bin/cp {tmp_path}/package.tgz "$4/small-core-1.2.3.tgz"')
    with pytest.raises(EdgekdError, match=r"is another package: .* Nothing of it was kept"):
        fetch_runtime(replace(runtime, integrity="sha512-" + "A" * 86 + "=="))
    assert not runtime.folder.exists()


def test_a_failure_of_npm_is_told_by_its_own_reason(runtime: WebRuntime, npm: Callable[[str], None]) -> None:
    npm("echo 'npm error code ENOTFOUND' >&2; echo 'npm error network request failed' >&2; exit 1")
    with pytest.raises(EdgekdError, match=r"could not fetch @small/core@1\.2\.3: npm error network request failed\."):
        fetch_runtime(runtime)


def test_without_npm_the_error_says_how_to_get_it(
    runtime: WebRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EdgekdError, match=r"needs npm.*apt-get install npm"):
        fetch_runtime(runtime)


def test_what_was_not_fetched_is_asked_for_with_the_command_that_fetches_it(runtime: WebRuntime) -> None:
    with pytest.raises(StorageError, match=r"not been fetched yet .*: edgekd demo 'my run' --fetch$"):
        load_runtime(runtime, "edgekd demo 'my run' --fetch")


def test_every_runtime_is_pinned_by_version_and_hashes() -> None:
    for runtime in runtimes.RUNTIMES.values():
        assert len(base64.b64decode(runtime.integrity.removeprefix("sha512-"))) == 64
        assert {"module", "wasm"} <= runtime.files.keys()
        assert all(len(file.sha256) == 64 for file in runtime.files.values())
