"""A file as a web page: the file itself, a runtime, golden vectors and the preprocessing, all in one HTML file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from edgekd._version import __version__
from edgekd.demo.runtimes import RUNTIMES, WebRuntime, load_runtime
from edgekd.demo.vectors import page_vectors
from edgekd.errors import UsageError
from edgekd.formats.artifact import Artifact
from edgekd.report.demo_link import demo_model
from edgekd.report.format import size
from edgekd.storage import write_text

_HERE = Path(__file__).parent
# What opens the model, by format; the page's modules import it as runtime.mjs.
_OPENERS = {"tflite": "litert.mjs", "onnx": "ort.mjs"}
_RUNTIME = "runtime.mjs"
_START = 'import "edgekd/app.mjs";'
_IMPORT = re.compile(r"(?<=from ')(\.[\w./]*/)(\w+\.mjs)(?=')")
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
# LiteRT.js has no arrays of other types, and no browser has float16.
_TYPES = {"tflite": ("uint8", "float32"), "onnx": ("uint8", "int8", "float32")}
# A uint8 output of an .onnx of ours is a softmax's: 1/256 a step, from 0.
_SOFTMAX_SCALE = 1 / 256


@dataclass(frozen=True)
class Demo:
    """What was written: the page, its bytes, how many golden vectors are in it, and the runtime."""

    path: Path
    size_bytes: int
    vectors: int
    runtime: WebRuntime


def write_demo(artifact: Artifact, path: Path, title: str, command: str) -> Demo:
    """Write the page that runs a file in a browser, without a network and without a server.

    Args:
        artifact: The .tflite or .onnx that it runs, byte for byte.
        path: The page; an earlier one is replaced, any other file is not.
        title: The page's headline.
        command: The command that fetches what is missing, for messages.

    Raises:
        UsageError: The file cannot be run in a browser, or ``path`` is another file.
        StorageError: The runtime has not been fetched.
    """
    if path.exists() and demo_model(path) is None:
        raise UsageError(
            f"{path} exists and is not a page of edgekd demo, so it is not overwritten. Give another --out"
        )
    runtime = RUNTIMES[artifact.format] if artifact.format in RUNTIMES else _refuse_format(artifact)
    _require_types(artifact)
    files = load_runtime(runtime, command)
    vectors = page_vectors(artifact)
    config = describe_file(artifact, title, vectors.tolerance)
    assets = {name: content for name, content in files.items() if name != "module"}
    assets |= {"model": artifact.content(), "golden": json.dumps(vectors.rows).encode()}
    text = _render(config, runtime, _import_map(artifact.format, runtime, files["module"]), assets, vectors.runtime)
    write_text(path, text)
    return Demo(path, len(text.encode()), len(vectors.rows), runtime)


def _refuse_format(artifact: Artifact) -> WebRuntime:
    raise UsageError(f"{artifact.path}: a page runs .tflite and .onnx files. Give the .onnx that it was made of")


def _require_types(artifact: Artifact) -> None:
    possible = _TYPES[artifact.format]
    for what, spec in (("takes", artifact.inputs[0]), ("gives", artifact.outputs[0])):
        if spec.dtype not in possible:
            raise UsageError(
                f"{artifact.path} {what} {spec.dtype}, and {RUNTIMES[artifact.format].title} in a page handles "
                f"{', '.join(possible)}. Use a file whose input and output are of those types"
            )


def describe_file(artifact: Artifact, title: str, tolerance: float) -> dict[str, Any]:
    """What the page knows of its file."""
    batch = artifact.inputs[0].shape[0]
    return {
        "title": title,
        "file": artifact.path.name,
        "sha256": artifact.sha256,
        "precision": artifact.precision,
        "labels": list(artifact.labels),
        "preprocessing": artifact.preprocessing.model_dump(),
        "decision": artifact.decision.as_json(),
        "tolerance": tolerance,
        "input": {
            "name": artifact.inputs[0].name,
            "dtype": artifact.inputs[0].dtype,
            "layout": artifact.layout if artifact.feed is None else artifact.feed.layout,
            "batch": batch if isinstance(batch, int) else 1,
            "feed": _feed(artifact),
        },
        "output": _output(artifact),
    }


def _feed(artifact: Artifact) -> dict[str, Any] | None:
    """What another tool's file is fed, in the words of a manifest of golden vectors."""
    if artifact.feed is None:
        return None
    pixels = artifact.feed.pixels
    return {
        "scale": pixels.scale,
        "shift": pixels.shift,
        "channels": "bgr" if pixels.bgr else "rgb",
        "quantum": artifact.feed.scale,
        "zero_point": artifact.feed.zero_point,
    }


def _output(artifact: Artifact) -> dict[str, Any]:
    spec = artifact.outputs[0]
    scale, zero_point = spec.scale, spec.zero_point or 0
    if artifact.feed is None:
        # As in edgekd.runtime: only bytes have a scale.
        known = _SOFTMAX_SCALE if artifact.format == "onnx" else spec.scale or 1.0
        scale = known if spec.dtype == "uint8" else None
    return {
        "name": spec.name,
        "index": artifact.output_index,
        "scale": scale,
        "zero_point": zero_point,
        "scores": "ours" if artifact.feed is None else artifact.scores,
        "count": len(artifact.labels),
    }


def _import_map(kind: str, runtime: WebRuntime, module: bytes) -> str:
    """Every module by the name that the others import it by: the page has no folder that paths could lead to."""
    imports: dict[str, str] = {}
    _add_modules(imports, _HERE / "js" / "app.mjs", _HERE / "js" / _OPENERS[kind])
    # Its map of sources is not in the page.
    imports[runtime.module_name] = _module_url(runtime.module_name, _SOURCE_MAP.sub("", module.decode("utf-8")))
    if "edgekd/wasm_utils.mjs" in imports:
        imports["@litertjs/wasm-utils"] = imports["edgekd/wasm_utils.mjs"]
    return json.dumps({"imports": imports})


def _add_modules(imports: dict[str, str], path: Path, opener: Path) -> None:
    """Add a module of ours and all that it imports, each by its own name."""
    name = f"edgekd/{path.name}"
    if name in imports:
        return
    source = (opener if path.name == _RUNTIME else path).read_text(encoding="utf-8")
    imports[name] = _module_url(name, _IMPORT.sub(r"edgekd/\2", source))
    for folder, file in _IMPORT.findall(source):
        _add_modules(imports, path.parent / folder / file, opener)


def _module_url(name: str, source: str) -> str:
    """A module as an address of itself; ``name`` is what errors call it."""
    named = f"{source}\n//# sourceURL={name}\n"
    return f"data:text/javascript;base64,{base64.b64encode(named.encode()).decode('ascii')}"


def _render(
    config: Mapping[str, Any], runtime: WebRuntime, import_map: str, assets: Mapping[str, bytes], python: str
) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    css = (_HERE / "page.css").read_text(encoding="utf-8")
    # Our own texts, base64, and JSON without the characters of tags.
    ours = {"css": css, "import_map": import_map, "start": _START, "config_json": _json_for_html(config)}
    packed = {name: Markup(_pack(content)) for name, content in assets.items()}  # noqa: S704
    return environment.get_template("page.html").render(
        config=config,
        size=size(len(assets["model"])),
        runtime=runtime,
        python=python,
        version=__version__,
        policy=_policy(import_map, css),
        assets=packed,
        **{name: Markup(text) for name, text in ours.items()},  # noqa: S704
    )


def _json_for_html(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _pack(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _policy(import_map: str, css: str) -> str:
    """A Content-Security-Policy: nothing is requested or sent, and no script runs but those that are in the page."""
    scripts = " ".join(f"'{_hash(text)}'" for text in (import_map, _START))
    return (
        f"default-src 'none'; script-src {scripts} data: blob: 'wasm-unsafe-eval'; style-src '{_hash(css)}'; "
        "img-src blob:; media-src blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
