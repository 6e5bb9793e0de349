"""The runtimes of web pages: npm packages, pinned by version and hash, in the user's cache."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekd import processes, storage
from edgekd.errors import EdgekdError, StorageError
from edgekd.text import first_line

_FETCH_S = 900.0
_LARGEST_BYTES = 64 << 20


@dataclass(frozen=True)
class PackageFile:
    """A file of a package: its path in it, and the SHA-256 that it must have."""

    path: str
    sha256: str


@dataclass(frozen=True)
class WebRuntime:
    """A runtime that a page can carry.

    ``integrity`` is that of the package as npm writes it, ``size_bytes`` what has to be fetched. ``files`` are the ones
    that a page needs, by what they are in it: "module" (imported as ``module_name``), "wasm" and, of LiteRT.js,
    "script".
    """

    title: str
    package: str
    version: str
    license: str
    integrity: str
    size_bytes: int
    module_name: str
    files: Mapping[str, PackageFile]

    @property
    def folder(self) -> Path:
        """Where its files lie in the user's cache."""
        return storage.cache_folder() / "web" / f"{self.package.replace('/', '-').removeprefix('@')}-{self.version}"


# LiteRT.js's "compat" build does without relaxed SIMD: any browser runs it, and on any processor alike.
RUNTIMES: Mapping[str, WebRuntime] = {
    "tflite": WebRuntime(
        title="LiteRT.js",
        package="@litertjs/core",
        version="2.5.3",
        license="Apache-2.0",
        integrity="sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        size_bytes=11_817_097,
        module_name="@litertjs/core",
        files={
            "module": PackageFile("dist/index.js", "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3"),
            "script": PackageFile(
                "wasm/litert_wasm_compat_internal.js",
                "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5",
            ),
            "wasm": PackageFile(
                "wasm/litert_wasm_compat_internal.wasm",
                "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c",
            ),
        },
    ),
    "onnx": WebRuntime(
        title="ONNX Runtime Web",
        package="onnxruntime-web",
        version="1.30.0",
        license="MIT, Copyright (c) Microsoft Corporation",
        integrity="sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        size_bytes=33_106_585,
        module_name="onnxruntime-web",
        files={
            "module": PackageFile(
                "dist/ort.wasm.bundle.min.mjs", "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"
            ),
            "wasm": PackageFile(
                "dist/ort-wasm-simd-threaded.wasm",
                "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
            ),
        },
    ),
}
"""Runtimes by the format of the files that they run."""


def load_runtime(runtime: WebRuntime, command: str) -> dict[str, bytes]:
    """The files of a runtime, each with its pinned hash.

    Args:
        runtime: One of ``RUNTIMES``.
        command: The command that fetches it, for messages.

    Raises:
        StorageError: It is not in the cache, or was changed there.
    """
    how = f"Fetch it with npm, {runtime.size_bytes / 1e6:.0f} MB: {command}"
    contents = {}
    for name, file in runtime.files.items():
        path = runtime.folder / Path(file.path).name
        try:
            contents[name] = storage.read_regular_file(path, _LARGEST_BYTES)
        except FileNotFoundError:
            raise StorageError(
                f"a page that runs this file carries {runtime.title} {runtime.version}, which has not been fetched yet "
                f"({path} does not exist). {how}"
            ) from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}. {how}") from None
        if hashlib.sha256(contents[name]).hexdigest() != file.sha256:
            raise StorageError(f"{path} is not the file of {runtime.title} {runtime.version} that was fetched. {how}")
    return contents


def has_runtime(runtime: WebRuntime) -> bool:
    """Whether a runtime is in the user's cache, as it was fetched."""
    try:
        load_runtime(runtime, "")
    except StorageError:
        return False
    return True


def fetch_runtime(runtime: WebRuntime) -> Path:
    """Fetch a runtime's package with npm, from the registry that npm is configured for, into the user's cache.

    Nothing of the package is executed. Returns the folder. Raises: EdgekdError where npm is missing or fails, or where
    what it brings does not have the pinned hash.
    """
    npm = shutil.which("npm")
    name = f"{runtime.package}@{runtime.version}"
    if npm is None:
        raise EdgekdError(
            f"fetching {name} needs npm, which is not on the PATH. Install it (on Debian: apt-get install npm) and run "
            "the same command again"
        )
    with tempfile.TemporaryDirectory() as folder:
        argv = [npm, "pack", "--ignore-scripts", "--pack-destination", folder, name]
        done = processes.run(argv, _FETCH_S)
        packages = list(Path(folder).glob("*.tgz"))
        if done.status != 0 or len(packages) != 1:
            raise EdgekdError(
                f"npm could not fetch {name}: {_reason(done)}. Look at the network and at npm's registry "
                "(npm config get registry), then run the same command again"
            )
        content = packages[0].read_bytes()
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
    if integrity != runtime.integrity:
        raise EdgekdError(
            f"what npm brought as {name} is another package: its hash is {integrity[:19]}…, not "
            f"{runtime.integrity[:19]}…. Nothing of it was kept. Look at npm's registry (npm config get registry)"
        )
    return store_runtime(runtime, _members(content))


def store_runtime(runtime: WebRuntime, files: Mapping[str, bytes]) -> Path:
    """Put the files that a page needs, out of all of a package by their paths in it, into the user's cache."""
    try:
        for file in runtime.files.values():
            storage.write_bytes(runtime.folder / Path(file.path).name, files[file.path])
    except OSError as error:
        raise StorageError(
            f"{runtime.folder} cannot be written to: {error.strerror}. Make space, or set XDG_CACHE_HOME to another "
            "folder"
        ) from None
    return runtime.folder


def _reason(done: processes.Ended) -> str:
    if done.killed is not None:
        return f"it took more than {_FETCH_S / 60:.0f} minutes" if done.killed == "late" else "it wrote too much"
    lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("npm error code", "npm error errno", "npm notice"))]
    return first_line((told or lines or ["no error output"])[0])


def _members(package: bytes) -> dict[str, bytes]:
    """The regular files of an npm package by their paths in it; the bytes are known to be the pinned ones."""
    contents = {}
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                contents[member.name.removeprefix("package/")] = stream.read()
    return contents
