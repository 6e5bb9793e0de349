"""JavaScript as React Native runs it: the npm package of ``edgekd js``, bundled by Metro, in Hermes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from readers import Answers, Directory, Found

from edgekd.export.js_package import write_js_package

# Vectors that are given at once, in one script.
_BATCH = 40
_ENTRY = """import { checkVector } from './classifier/src/golden.js';

const bytes = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const unsupported = () => { throw new Error('unsupported: this engine has no decoder'); };
const platform = { name: 'Hermes', inflate: unsupported, decode: unsupported };
const read = async (file) => bytes(globalThis.FILES[file]);

async function main() {
  const rows = [];
  for (const vector of globalThis.MANIFEST.vectors) {
    const { name, resized, answer } = await checkVector(vector, globalThis.MANIFEST, read, platform);
    rows.push({ name, resized, answer });
  }
  return JSON.stringify(rows);
}
main().then(print, (error) => print(`failed: ${error.stack}`));
"""
_METRO = "module.exports = { projectRoot: __dirname, watchFolders: [__dirname] };\n"
_BABEL = "module.exports = { presets: ['module:@react-native/babel-preset'] };\n"


def hermes_version(modules: Path) -> str:
    """Such as "Hermes 0.12.0 of React Native"."""
    package = json.loads((modules / "node_modules/hermes-engine-cli/package.json").read_text(encoding="utf-8"))
    return f"Hermes {package['version']} of React Native"


def ask_hermes(directories: Sequence[Directory], scratch: Path, modules: Path) -> list[Answers]:
    """Python's pixels; ``modules`` is a folder whose node_modules have metro, React Native's preset and Hermes."""
    app = modules / "edgekd-everywhere"
    shutil.rmtree(app, ignore_errors=True)
    app.mkdir()
    bundle = scratch / "bundle.js"
    try:
        write_js_package(directories[0].artifact, app / "classifier")
        (app / "entry.js").write_text(_ENTRY, encoding="utf-8")
        (modules / "metro.config.js").write_text(_METRO, encoding="utf-8")
        (modules / "babel.config.js").write_text(_BABEL, encoding="utf-8")
        argv = ["npx", "metro", "build", f"{app.name}/entry.js", "--config", "metro.config.js", "--out", bundle]
        _run([*argv, "--platform", "android", "--dev", "false"], modules)
    finally:
        shutil.rmtree(app, ignore_errors=True)
    hermes = modules / "node_modules/hermes-engine-cli/linux64-bin/hermes"
    hermes.chmod(0o755)
    return [_ask(directory, bundle.read_text(encoding="utf-8"), scratch, hermes) for directory in directories]


def _ask(directory: Directory, bundle: str, scratch: Path, hermes: Path) -> Answers:
    manifest = json.loads(directory.read("manifest.json"))
    wanted = {vector["name"]: vector["answer"] for vector in manifest["vectors"]}
    found = {}
    for start in range(0, len(wanted), _BATCH):
        vectors = manifest["vectors"][start : start + _BATCH]
        names = [vector[kind]["file"] for vector in vectors for kind in ("photo", "pixels", "input", "probabilities")]
        files = {name: directory.read(name).decode("latin-1") for name in names}
        given = {"MANIFEST": {**manifest, "vectors": vectors}, "FILES": files}
        script = scratch / "vectors.js"
        lines = [f"globalThis.{name} = {json.dumps(value, ensure_ascii=False)};" for name, value in given.items()]
        script.write_text("\n".join([*lines, bundle]), encoding="utf-8")
        for row in json.loads(_run([hermes, script], scratch).splitlines()[-1]):
            found[row["name"]] = Found(row["resized"], row["answer"] == wanted[row["name"]])
    return found


def _run(argv: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or re.search(r"^failed: ", done.stdout, re.MULTILINE):
        sys.exit(f"{argv[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout
