"""The Android demo by its one command: built, tested against Python byte for byte, what is inside its APK, and what
its benchmark writes on a phone, read by edgekd.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from android_build import ROOT, Built, Row, data_offset, kotlin_counts, page_bytes, rows_by_kind
from bench_plans import phone_plan, phone_targets
from benchmark_scripts import ANDROID, run_short
from frame_cases import KINDS as KINDS_OF_FRAMES
from frame_cases import ROTATIONS
from photo_kinds import KINDS, OF_EACH
from PIL import Image
from recorded_agent import ReplayingAgent
from warm import edgekd

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, measure
from edgekd.bench.end_to_end import end_to_end_lines
from edgekd.bench.on_device import device_scores
from edgekd.bench.validity import validity
from edgekd.devices.fake import FakeDevice
from edgekd.devices.table import open_device
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Answer
from edgekd.golden import read_manifest
from edgekd.runtime.predict import predict

PHONE = "adb:PHONE"
ABIS = ("arm64-v8a", "armeabi-v7a", "x86", "x86_64")
# The first build of a machine fetches the tools first.
pytestmark = pytest.mark.timeout(1700)


def test_no_kotlin_test_failed_and_none_was_skipped(built: Built) -> None:
    counts = kotlin_counts(built.build)
    assert counts["tests"] >= 90
    assert (counts["failures"], counts["errors"], counts["skipped"]) == (0, 0, 0)


def test_the_one_command_works_as_cloned_without_a_model(built: Built) -> None:
    counts = kotlin_counts(built.bare)
    # What needs no model is tested all the same.
    assert counts["failures"] + counts["errors"] == 0 and counts["tests"] - counts["skipped"] >= 50
    with zipfile.ZipFile(built.bare / "edgekd-demo.apk") as archive:
        assert not [name for name in archive.namelist() if name.startswith("assets/")]


def test_code_in_a_copied_build_directory_is_not_shrunk_again(tmp_path: Path) -> None:
    short, longer, changed = tmp_path / "a", tmp_path / "a longer name", tmp_path / "b"
    for build in (short, longer, changed):
        rules = f"# Referenced at {build}/AndroidManifest.xml:34\n-keep class A {{ <init>(); }}\n"
        files = {"classes/p/A.class": "x", "components.pro": rules, "aar/tensorflow-lite/proguard.txt": ""}
        for name, text in {**files, "lib/r8.jar": "", "lib/kotlin-stdlib.jar": ""}.items():
            (build / name).parent.mkdir(parents=True, exist_ok=True)
            (build / name).write_text(text)
    (changed / "components.pro").write_text("-keep class C { <init>(); }\n")
    spec = importlib.util.spec_from_file_location("android_demo_build", ROOT / "android_demo/build.py")
    assert spec is not None and spec.loader is not None
    build_py = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_py)
    states = [build_py.state_of_code(one, (Path("android.jar"), Path("jdk")), "21") for one in (short, longer, changed)]
    assert states[0] == states[1] != states[2]


@pytest.fixture(scope="module")
def counted(built: Built) -> list[Row]:
    return rows_by_kind(built)


def test_a_hundred_photos_of_all_kinds_give_pythons_tensor(built: Built, counted: list[Row]) -> None:
    for model in built.models:
        rows = {row.kind: row for row in counted if row.model == model}
        assert {kind: rows[kind].n for kind in KINDS} == dict.fromkeys(KINDS, OF_EACH)
        unread = {kind: row.unread for kind, row in rows.items() if row.unread}
        assert unread == {"golden tiff": rows["golden tiff"].n}
        read = [row for row in rows.values() if not row.unread]
        # All of them, whatever the format; a decoder that comes to differ is named with by how much.
        assert {row.kind: row.largest_difference for row in read if row.tensors_equal < row.n} == {}


def test_frames_of_every_layout_and_rotation_give_pythons_tensor(built: Built) -> None:
    """Those that differ fail the app's own test; here is how many it was given."""
    counts = built.read("frames.json")
    assert counts == dict.fromkeys((f"{kind} {rotation}" for kind in KINDS_OF_FRAMES for rotation in ROTATIONS), 20)


def test_a_tiff_is_refused_by_name(built: Built) -> None:
    for model in built.read("byte_for_byte.json"):
        assert {row["unread"] for row in model["photos"] if row["kind"] == "tiff"} == {
            "This is a TIFF, which Android does not read. Convert it to PNG."
        }


def test_every_class_is_that_of_predict(built: Built, counted: list[Row]) -> None:
    kernels = {model["model"]: model["tolerance"] for model in built.read("byte_for_byte.json")}
    for row in counted:
        if "float32" in row.model:
            assert row.otherwise == {}, row
        # Another class only where Python's lead is no more than what TensorFlow Lite's kernels round by.
        assert all(lead <= kernels[row.model] for lead in row.otherwise.values()), row
    ours = [row for row in counted if row.kind in KINDS and "tags" not in row.model]
    assert sum(row.top_equal for row in ours) >= 0.98 * sum(row.n for row in ours)


def test_every_answer_follows_from_the_files_own_rule(built: Built) -> None:
    """Tags, or none of these: as ``edgekd predict`` says them, but for near ties of a file whose kernels round."""
    for model in built.read("byte_for_byte.json"):
        artifact = Artifact.open(built.models[model["model"]])
        wanted = {one.path.name: one for one in predict(artifact, built.photos)}
        rows = {
            built.photos[int(row["name"][4:])].name: row for row in model["photos"] if row["name"].startswith("own-")
        }
        assert rows.keys() == wanted.keys() and len(rows) >= 90
        differ = {name for name, row in rows.items() if tuple(row["answer"]) != wanted[name].answer.labels}
        tolerance = model["tolerance"] if "int8" in artifact.precision else 0.0
        for name in differ:
            probabilities = np.array(list(wanted[name].probabilities.values()))
            answer = Answer(tuple(rows[name]["answer"]))
            assert artifact.decision.distance_to(answer, probabilities, artifact.labels) <= tolerance, (name, model)
        assert len(differ) <= 0.1 * len(rows)
    kinds = {len(row["answer"]) for row in rows.values()}
    assert artifact.decision.task == "multi-label" and kinds >= {0, 1, 2}


def test_models_were_swapped_without_touching_kotlin(built: Built) -> None:
    facts = {m["model"]: (m["width"], m["height"], m["crop"], m["labels"]) for m in built.read("byte_for_byte.json")}
    assert facts["tags.int8.tflite"] == (48, 48, "CENTER", ["crossing", "kerb & gutter", "Straße"])
    assert facts["student.int8.tflite"] == (32, 32, "WHOLE", ["green", "red", "yellow"])
    folders = (ROOT / "android_demo/app/src/main/java", ROOT / "edgekd/kotlin")
    sources = [path for folder in folders for path in folder.rglob("*.kt")]
    assert len(sources) >= 2
    for path in sources:
        assert not re.search(r"\b(224|127\.5|yellow|ImageNet)\b", path.read_text()), path.name


def test_every_screen_is_drawn_in_every_way(built: Built) -> None:
    subjects = ("classify-photo", "classify-camera-refused", "classify-bad-model", "compare", "benchmark-done")
    sizes = {"portrait": (822, 1782), "landscape": (1782, 822)}
    for subject, way, mode in itertools.product(subjects, sizes, ("light", "dark")):
        with Image.open(built.folder / f"screenshots/{subject}-{way}-{mode}.png") as picture:
            pixels = np.array(picture.convert("L"))
            assert picture.size == sizes[way]
        page, spread = float(np.median(pixels)), float(pixels.std())
        assert (page > 200) == (mode == "light") and spread > 10, (subject, way, mode, page, spread)
        # Something stands in the upper and in the lower half, and not one colour.
        assert all(len(np.unique(half)) > 30 for half in np.array_split(pixels, 2)), (subject, way, mode)


def test_every_broken_model_says_what_is_wrong(built: Built) -> None:
    said = built.read("broken_models.json")
    assert len(said) >= 20
    assert all(message.endswith((".", "edgekd export", "--batch 1")) and len(message) > 20 for message in said.values())
    assert len(set(said.values())) >= 12


def test_the_apk_says_what_it_is_and_is_signed(built: Built) -> None:
    badging = subprocess.run(["aapt2", "dump", "badging", built.apk], capture_output=True, text=True, check=True).stdout
    assert "package: name='org.edgekd.demo' versionCode='1'" in badging
    assert "sdkVersion:'21'" in badging
    assert "targetSdkVersion:'36'" in badging
    assert "launchable-activity: name='org.edgekd.demo.MainActivity'" in badging
    assert "native-code: " + " ".join(f"'{abi}'" for abi in ABIS) in badging
    verified = subprocess.run(["apksigner", "verify", "-v", built.apk], capture_output=True, text=True, check=True)
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in verified.stdout


def test_models_and_libraries_are_stored_where_they_can_be_mapped(built: Built) -> None:
    with zipfile.ZipFile(built.apk) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        for name, path in built.models.items():
            assert archive.read(f"assets/{name}") == path.read_bytes()
        assert archive.read("classes.dex")[:4] == b"dex\n"
    offsets = {name: data_offset(built.apk, entry) for name, entry in entries.items()}
    for name in built.models:
        assert entries[f"assets/{name}"].compress_type == zipfile.ZIP_STORED
        assert offsets[f"assets/{name}"] % 4 == 0
    libraries = {name for name in entries if name.endswith(".so")}
    assert libraries == {f"lib/{abi}/libtensorflowlite_jni.so" for abi in ABIS}
    assert all(entries[name].compress_type == zipfile.ZIP_STORED and offsets[name] % 4096 == 0 for name in libraries)


def test_the_page_size_of_every_native_library_is_known(built: Built) -> None:
    with zipfile.ZipFile(built.apk) as archive:
        pages = {abi: page_bytes(archive.read(f"lib/{abi}/libtensorflowlite_jni.so")) for abi in ABIS}
    # Play asks for 16384 on 64 bits, which the Gradle build's LiteRT has and TensorFlow Lite 2.16.1 does not.
    assert pages == dict.fromkeys(ABIS, 4096)


def report(*results: Path, out: Path) -> str:
    done = edgekd("report", *results, "--out", out)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.html")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def phone_result(built: Built, finished: Path) -> BenchResult:
    """The harness over the replies of the activity to the harness's own plans."""
    device = FakeDevice(lambda argv, files: pytest.fail(f"ran {argv}"), address=PHONE)
    return measure(
        phone_targets(finished), "student.float32", phone_plan(), device, agent=ReplayingAgent(built.folder / "replies")
    )


def test_the_activitys_replies_are_measurements(phone_result: BenchResult) -> None:
    assert phone_result.complete and phone_result.agent == "android-app" and phone_result.unit == "ns"
    for one in phone_result.measurements:
        assert [launch.round for launch in one.launches] == [0, 1, 2]
        for launch in one.launches:
            assert len(launch.timings_ns) >= 8 and launch.runtime.startswith("TensorFlow Lite 2.16")
            assert launch.peak_memory_bytes and launch.cpu["wall_s"] > 0
            # TensorFlow Lite's build for x86_64 has no XNNPACK, and the reply says what ran.
            assert launch.delegate == "none"
            assert launch.device is not None and set(launch.device) == {"before", "after"}


def test_the_activity_times_photos_and_frames_from_end_to_end(phone_result: BenchResult) -> None:
    for one in phone_result.measurements:
        wanted = [(part.source, part.inputs_sha256) for part in one.end_to_end]
        for launch in one.launches:
            assert launch.end_to_end is not None
            # Decoded and resized by the app to the very bytes that Python makes.
            assert [(part.source, part.inputs_sha256) for part in launch.end_to_end] == wanted
            photo, frame = launch.end_to_end
            assert len(photo.decode_ns) == len(photo.resize_ns) >= 8 and frame.decode_ns == ()
    lines = end_to_end_lines(phone_result)
    assert [line.source for line in lines] == ["photo", "photo", "frame", "frame"]
    assert all(line.latency["total"].p50_ms for line in lines)


def test_the_activitys_answers_are_held_against_the_hosts(phone_result: BenchResult) -> None:
    floats, _ = device_scores(phone_result)
    assert (floats.n, floats.differing) == (12, 0)
    assert floats.accuracy == floats.host_accuracy


def test_the_phones_heat_is_told_before_and_after_every_launch(phone_result: BenchResult) -> None:
    launches = [launch for one in phone_result.measurements for launch in one.launches]
    told = [facts["thermal_status"] for launch in launches for facts in (launch.device or {}).values()]
    # The last launch alone was a hot one.
    assert sorted(told) == [0] * 10 + [3, 3]
    assert all("power_save" in facts for launch in launches for facts in (launch.device or {}).values())


def test_the_activity_beside_the_host_in_one_report(phone_result: BenchResult, finished: Path, tmp_path: Path) -> None:
    phone_result.save(tmp_path / "phone.json")
    host = tmp_path / "host.json"
    measure(phone_targets(finished), "student.float32", phone_plan(), open_device("host"), save_to=host)
    page = report(host, tmp_path / "phone.json", out=tmp_path / "devices")
    for text in (PHONE, "host", "student.int8", "TensorFlow Lite 2.16", "the demo app&#39;s benchmark activity"):
        assert text in page or text.replace("&#39;", "'") in page, text


def test_what_the_screen_shares_beside_the_host_in_one_report(built: Built, tmp_path: Path) -> None:
    shared = BenchResult.load(built.folder / "replies/shared-golden.json")
    assert shared.complete and shared.plan.launches == 3
    targets = []
    for one in shared.measurements:
        folder = built.folder / "app/src/androidTest/assets/golden" / one.name
        vectors = read_manifest(folder).vectors[: one.inputs_n]
        rows = [np.frombuffer((folder / vector.input.file).read_bytes(), np.uint8) for vector in vectors]
        images = np.stack(rows).reshape(-1, *one.input_size, 3)
        targets.append(BenchTarget(one.name, built.models[one.file], "tflite", images))
    plan = BenchPlan(launches=1, seconds_per_launch=0.01, warmup_max_s=0.01)
    host = tmp_path / "host.json"
    measure(targets, shared.baseline, plan, open_device("host"), save_to=host)
    page = report(host, built.folder / "replies/shared-golden.json", out=tmp_path / "devices")
    assert shared.device in page and "tags.int8" in page


def test_a_hot_phones_own_result_is_invalid(built: Built) -> None:
    hot = BenchResult.load(built.folder / "replies/shared-hot.json")
    for one in hot.measurements:
        found = validity(hot, one)
        assert found.standing == "invalid" and "thermal status severe" in found.reasons[0]
    cool = BenchResult.load(built.folder / "replies/shared-golden.json")
    assert not any("throttle" in reason for one in cool.measurements for reason in validity(cool, one).reasons)


def test_the_golden_vectors_verdict_is_in_what_is_shared(built: Built) -> None:
    shared = BenchResult.load(built.folder / "replies/shared-golden.json")
    told = {row["file"]: row["same_answers"] for row in shared.facts_after["golden"]}
    assert told["student.float32.tflite"] == "same"
    assert set(told.values()) <= {"same", "rounded"}


@pytest.mark.parametrize("script", ANDROID)
def test_a_benchmark_of_the_app_runs_in_its_short_form(
    script: str, built: Built, finished: Path, exported: dict[str, Any], tmp_path: Path
) -> None:
    taken = {
        "android_photos/run.py": [finished],
        "android_frames/run.py": [finished],
        "android_build/run.py": [exported["int8.tflite"].path],
    }
    run_short(script, tmp_path / "out", *taken.get(script, []), "--compiled", built.build)
