"""The steps of pom.xml for which Maven has no plugin: resources, stand-ins for the tests, and the APK.

build.py check BUILD                                             are the tools there?
build.py resources BUILD ANDROID_JAR FROM ASSETS VECTORS MIN_SDK TARGET_SDK
                                                               BUILD/resources.apk, BUILD/generated/**/R.java
build.py apk BUILD ANDROID_JAR JDK MIN_SDK                       BUILD/edgekd-demo.apk, signed with a debug key
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NoReturn

PACKAGE = "org.edgekd.demo"
TOOLS = {"aapt2": "aapt", "zipalign": "zipalign", "apksigner": "apksigner", "java": "default-jdk-headless",
         "javac": "default-jdk-headless", "keytool": "default-jdk-headless"}  # fmt: skip
JARS = ("r8.jar", "kotlin-stdlib.jar")
# Of a JVM that lives for seconds: compiling its code any better takes longer than it saves.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
HERE = Path(__file__).resolve().parent
MAIN = HERE / "app/src/main"
# Where edgekd android puts them; it need not be there.
VECTORS = HERE / "app/src/androidTest/assets"
STAND_INS = HERE / "../tests/simulators/android"


def run(*argv: str | Path) -> None:
    done = subprocess.run([str(word) for word in argv], check=False, capture_output=True, text=True)  # noqa: S603 our own words
    if done.returncode:
        sys.exit(f"{argv[0]} failed ({done.returncode}): {' '.join(map(str, argv))}\n{done.stdout}{done.stderr}")


def say_last(build: Path, line: str) -> None:
    """What Maven's last line is to be; "" where a step of Maven's own may fail next, which says why by itself."""
    (build / "last-line.txt").write_text(f"{line}\n" if line else "", encoding="utf-8")


def refuse(build: Path, message: str) -> NoReturn:
    say_last(build, message)
    sys.exit(message)


def check(build: Path) -> None:
    build.mkdir(parents=True, exist_ok=True)
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing:
        packages = " ".join(sorted({TOOLS[name] for name in missing}))
        refuse(build, f"missing: {', '.join(missing)}. On Debian or Ubuntu: apt-get install {packages}")
    say_last(build, "")


def merged_assets(build: Path, started_in: Path, assets: str, vectors: str) -> Path:
    """The models, and the golden vectors that the app's own check needs, in one folder: aapt2 and tests take one."""
    source = started_in / assets
    if not source.is_dir():
        refuse(build, f"-Dassets={assets} is not a directory ({source}). Give the one that holds the .tflite files")
    merged = build / "assets"
    shutil.rmtree(merged, ignore_errors=True)
    shutil.copytree(source, merged)
    folder = started_in / vectors
    if folder.is_dir():
        shutil.copytree(folder, merged, dirs_exist_ok=True)
    elif vectors != "none" and folder != VECTORS:
        refuse(build, f"-Dvectors={vectors} is not a directory ({folder}). Give one with golden/, or none")
    return merged


def resources(build: Path, android_jar: Path, assets: Path, min_sdk: str, target_sdk: str) -> None:
    for folder in ("generated", "test-classes/com/android/tools"):
        (build / folder).mkdir(parents=True, exist_ok=True)
    # What Gradle knows from build.gradle.kts, and warns of in the manifest, aapt2 wants there.
    manifest = build / "AndroidManifest.xml"
    text = (MAIN / "AndroidManifest.xml").read_text(encoding="utf-8")
    text = text.replace("<manifest ", f'<manifest package="{PACKAGE}" ', 1)
    text = text.replace("<application", '<application android:extractNativeLibs="false"', 1)
    manifest.write_text(text, encoding="utf-8")
    apk = build / "resources.apk"
    run("aapt2", "compile", "--dir", MAIN / "res", "-o", build / "resources.zip")
    # A stored model can be mapped straight from the APK. With -0 aapt2 takes an extension to begin at the first dot.
    run(
        "aapt2", "link", "-I", android_jar, "--manifest", manifest, "-A", assets, "--no-compress-regex", r"\.tflite$",
        "--min-sdk-version", min_sdk, "--target-sdk-version", target_sdk,
        "--version-code", "1", "--version-name", "1.0",
        "--java", build / "generated", "--proguard", build / "components.pro", "--auto-add-overlay",
        "-o", apk, build / "resources.zip",
    )  # fmt: skip
    (build / "test-classes/com/android/tools/test_config.properties").write_text(
        f"android_merged_manifest={manifest}\nandroid_resource_apk={apk}\n"
        f"android_merged_assets={assets}\nandroid_custom_package={PACKAGE}\n"
    )
    unpack(build)
    stand_ins(build)


def unpack(build: Path) -> None:
    """The libraries' classes beside the app's own, so that they are on every class path; the rest under BUILD/aar."""
    for name in ("tensorflow-lite", "tensorflow-lite-api", "monitor"):
        with zipfile.ZipFile(build / f"lib/{name}.aar") as archive:
            archive.extractall(build / "aar" / name)
        with zipfile.ZipFile(build / "aar" / name / "classes.jar") as archive:
            archive.extractall(build / ("test-classes" if name == "monitor" else "classes"))


def stand_ins(build: Path) -> None:
    """What lets the tests load the app's own native library; without it those tests are skipped."""
    library = build / "aar/tensorflow-lite/jni/x86_64/libtensorflowlite_jni.so"
    if shutil.which("gcc") is None or sys.platform != "linux" or os.uname().machine != "x86_64":
        sys.stdout.write("no gcc for x86_64 Linux: the tests that run a model are skipped\n")
        return
    run(sys.executable, STAND_INS / "make.py", library, build / "stand_ins")


def apk(build: Path, android_jar: Path, jdk: Path, min_sdk: str) -> None:
    work = build / "apk"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    compiled = dex(build, (android_jar, jdk), min_sdk)
    shutil.copy(build / "resources.apk", work / "unaligned.apk")
    with zipfile.ZipFile(work / "unaligned.apk", "a") as archive:
        for path in sorted(compiled.glob("classes*.dex")):
            archive.write(path, path.name, zipfile.ZIP_DEFLATED)
        # Stored and aligned to pages, so that the loader maps them out of the APK.
        for path in sorted((build / "aar/tensorflow-lite/jni").glob("*/*.so")):
            archive.write(path, f"lib/{path.parent.name}/{path.name}", zipfile.ZIP_STORED)
    run("zipalign", "-f", "-p", "4", work / "unaligned.apk", work / "aligned.apk")
    key, out = build / "debug.keystore", build / "edgekd-demo.apk"
    if not key.exists():
        run("keytool", "-genkeypair", "-keystore", key, "-storepass", "android", "-keypass", "android",
            "-alias", "debug", "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000",
            "-dname", "CN=Android Debug")  # fmt: skip
    run("apksigner", "sign", "--ks", key, "--ks-pass", "pass:android", "--min-sdk-version", min_sdk,
        "--out", out, work / "aligned.apk")  # fmt: skip
    run("apksigner", "verify", "--min-sdk-version", min_sdk, out)
    run("zipalign", "-c", "-p", "4", out)
    models = len([*(build / "assets").glob("*.tflite")])
    lacks = []
    if not models:
        lacks.append("It has no model: edgekd android RUN --into android_demo, or -Dassets=DIR")
    if not (build / "stand_ins/libc.so").is_file():
        lacks.append("The tests that run a model are skipped: gcc on x86_64 Linux is missing")
    what = "1 model" if models == 1 else f"{models} models"
    line = f"{out}: {out.stat().st_size:,} bytes, {what}. {'. '.join(lacks)}".strip()
    say_last(build, line)
    sys.stdout.write(f"{line}\n")


def state_of_code(build: Path, libraries: tuple[Path, Path], min_sdk: str) -> str:
    """A digest of all that R8 is given; the same for a copy of a build directory, wherever it lies."""
    classes = build / "classes"
    state = hashlib.sha256(f"{min_sdk} {libraries}".encode())
    for path in (*sorted(classes.rglob("*.class")), *rules_of(build), *(build / f"lib/{jar}" for jar in JARS)):
        name = path.relative_to(classes) if path.is_relative_to(classes) else path.name
        content = path.read_bytes()
        if path.suffix in (".pro", ".txt"):
            # aapt2 writes into comments where it found what.
            content = b"\n".join(line for line in content.splitlines() if not line.startswith(b"# "))
        state.update(f"{name} {len(content)}\n".encode() + content)
    return state.hexdigest()[:16]


def rules_of(build: Path) -> tuple[Path, ...]:
    """What R8 must leave in."""
    return HERE / "app/proguard-rules.pro", build / "components.pro", build / "aar/tensorflow-lite/proguard.txt"


def dex(build: Path, libraries: tuple[Path, Path], min_sdk: str) -> Path:
    """The folder of the app's .dex, made by R8 where the code is not that of the last build: a model changes none.

    R8 takes jars, not folders; java.lang is in the JDK, not in Robolectric's Android.
    """
    classes = build / "classes"
    made = build / "dex" / state_of_code(build, libraries, min_sdk)
    if made.is_dir():
        return made
    shutil.rmtree(made.parent, ignore_errors=True)
    work = made.with_suffix(".part")
    work.mkdir(parents=True)
    with zipfile.ZipFile(work / "app.jar", "w") as archive:
        for path in sorted(classes.rglob("*.class")):
            archive.write(path, path.relative_to(classes).as_posix())
    run(
        "java", "-Xmx2g", *SHORT_LIVED, "-cp", build / "lib/r8.jar", "com.android.tools.r8.R8",
        "--release", "--min-api", min_sdk,
        *(word for path in libraries for word in ("--lib", path)),
        *(word for path in rules_of(build) for word in ("--pg-conf", path)), "--output", work,
        work / "app.jar", build / "lib/kotlin-stdlib.jar",
    )  # fmt: skip
    work.rename(made)
    return made


if __name__ == "__main__":
    step, *words = sys.argv[1:]
    if step == "check":
        check(Path(words[0]))
    elif step == "resources":
        build, android_jar, started_in, assets, vectors, *levels = words
        merged = merged_assets(Path(build), Path(started_in), assets, vectors)
        resources(Path(build), Path(android_jar), merged, *levels)
    elif step == "apk":
        apk(Path(words[0]), Path(words[1]), Path(words[2]), words[3])
    else:
        sys.exit(__doc__)
