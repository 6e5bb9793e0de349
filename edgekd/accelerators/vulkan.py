"""Finds a Vulkan driver for this process: a GPU's own, else SwiftShader, which computes on the CPU.

Source: the Vulkan specification, vkGetPhysicalDeviceProperties and VkPhysicalDeviceShaderFloat16Int8Features.
"""

from __future__ import annotations

import ctypes
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

LOADER = "libvulkan.so.1"
# Variables by which a user names a driver.
DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
# SwiftShader comes with Chromium and Chrome.
_SWIFTSHADER = (
    "/usr/lib/chromium/libvk_swiftshader.so",
    "/usr/lib/chromium-browser/libvk_swiftshader.so",
    "/usr/lib64/chromium-browser/libvk_swiftshader.so",
    "/opt/google/chrome/libvk_swiftshader.so",
)
INSTALL = "apt-get install libvulkan1 chromium (the second brings SwiftShader, a driver for machines without a GPU)"

_KINDS: dict[int, Literal["GPU", "software"]] = {1: "GPU", 2: "GPU", 3: "GPU", 4: "software"}
_API_1_1 = (1 << 22) | (1 << 12)
_TYPE_AT, _NAME_AT, _NAME_BYTES, _PROPERTIES_BYTES = 16, 20, 256, 4096
_FLOAT16_FEATURES, _FEATURES_2 = 1000082000, 1000059000


@dataclass(frozen=True)
class Driver:
    """A Vulkan device: its name, whether it is a GPU or computes on the CPU, and whether it has half precision."""

    name: str
    kind: Literal["GPU", "software"]
    half_precision: bool


class NoDriverError(Exception):
    """This machine has no Vulkan loader or no driver; the message says what to install."""


def choose_driver(folder: Path) -> Driver:
    """Choose the driver that this process will use, and set it where it is SwiftShader.

    Args:
        folder: Where the file that names SwiftShader's library is written.

    Raises: NoDriverError.
    """
    try:
        library = ctypes.CDLL(LOADER)
    except OSError:
        raise NoDriverError(f"this machine has no Vulkan loader ({LOADER}). Debian and Ubuntu: {INSTALL}") from None
    drivers = list_drivers(library)
    hardware = [driver for driver in drivers if driver.kind == "GPU"]
    named = any(os.environ.get(name) for name in DRIVER_VARIABLES)
    if hardware or (named and drivers):
        return (hardware or drivers)[0]
    shader = next((path for path in _SWIFTSHADER if Path(path).is_file()), None)
    if shader is not None and not named:
        icd = folder / "swiftshader.json"
        content = {"file_format_version": "1.0.0", "ICD": {"library_path": shader, "api_version": "1.1.0"}}
        icd.write_text(json.dumps(content), encoding="utf-8")
        for name in DRIVER_VARIABLES:
            os.environ[name] = str(icd)
        drivers = list_drivers(library)
    if not drivers:
        where = f" that {' or '.join(DRIVER_VARIABLES)} names" if named else ""
        raise NoDriverError(f"this machine has no Vulkan driver{where}. Debian and Ubuntu: {INSTALL}")
    return drivers[0]


class _InstanceInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int32), ("next", ctypes.c_void_p), ("flags", ctypes.c_uint32),
        ("application", ctypes.c_void_p), ("layers_n", ctypes.c_uint32), ("layers", ctypes.c_void_p),
        ("extensions_n", ctypes.c_uint32), ("extensions", ctypes.c_void_p),
    )  # fmt: skip


class _ApplicationInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int32), ("next", ctypes.c_void_p), ("name", ctypes.c_char_p), ("version", ctypes.c_uint32),
        ("engine", ctypes.c_char_p), ("engine_version", ctypes.c_uint32), ("api_version", ctypes.c_uint32),
    )  # fmt: skip


class _Float16Features(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int32), ("next", ctypes.c_void_p), ("float16", ctypes.c_uint32), ("int8", ctypes.c_uint32),
    )  # fmt: skip


class _Features2(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int32), ("next", ctypes.c_void_p), ("features", ctypes.c_uint32 * 55))


def list_drivers(library: Any) -> list[Driver]:
    """The devices that the loader finds now."""
    application = _ApplicationInfo(api_version=_API_1_1)
    info = _InstanceInfo(type=1, application=ctypes.cast(ctypes.pointer(application), ctypes.c_void_p))
    instance = ctypes.c_void_p()
    if library.vkCreateInstance(ctypes.byref(info), None, ctypes.byref(instance)) != 0:
        return []
    try:
        count = ctypes.c_uint32()
        library.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
        devices = (ctypes.c_void_p * count.value)()
        library.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
        return [_describe(library, ctypes.c_void_p(device)) for device in devices if device]
    finally:
        library.vkDestroyInstance(instance, None)


def _describe(library: Any, device: ctypes.c_void_p) -> Driver:
    properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
    library.vkGetPhysicalDeviceProperties(device, properties)
    kind = _KINDS.get(int.from_bytes(properties.raw[_TYPE_AT : _TYPE_AT + 4], "little"), "software")
    name = properties.raw[_NAME_AT : _NAME_AT + _NAME_BYTES].split(b"\0", 1)[0].decode("utf-8", "replace")
    half = _Float16Features(type=_FLOAT16_FEATURES)
    features = _Features2(type=_FEATURES_2, next=ctypes.cast(ctypes.pointer(half), ctypes.c_void_p))
    library.vkGetPhysicalDeviceFeatures2(device, ctypes.byref(features))
    return Driver(name, kind, bool(half.float16))
