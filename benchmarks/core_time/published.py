"""Published times of MobileNets at 224 x 224 on boards and phones with cores that are emulated here, or near them.

What a source does not say is assumed and marked: a phone's caches and memory, and LLVM's own choice of a scheduling
model for a core that it has none for (Cortex-A73 and -A75: the Cortex-A57's, as for the Cortex-A72).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgekd.core_time.cores import CORES, KIB, Cache, Core

XNNPACK = "https://github.com/google/XNNPACK/blob/master/README.md#performance"
LITERT = "https://www.tensorflow.org/lite/performance/measurement"
ARM = (
    "https://learn.arm.com/courses/executorch-on-arm/optimize-image-classification/evaluate-int8-mobilenetv2/"
    "bring-the-runtime-paths-into-one-view/"
)

_A72, _A76 = CORES["cortex-a72"], CORES["cortex-a76"]
_A75 = replace(
    _A72, board="Pixel 3a", schedule="cortex-a75", clock_mhz=2000, memory_gb_s=10.0, memory_latency_ns=120,
    caches=(Cache(64 * KIB, 16, 4, 16), Cache(256 * KIB, 8, 9, 16), Cache(1024 * KIB, 16, 35, 16)),
)  # fmt: skip
PI4, PI5 = _A72, _A76
PIXEL_3A = _A75
PIXEL_3 = replace(_A75, board="Pixel 3", clock_mhz=2500, caches=(*_A75.caches[:2], Cache(2048 * KIB, 16, 40, 16)))
PIXEL_2 = replace(
    _A72, board="Pixel 2", schedule="cortex-a73", clock_mhz=2350, memory_gb_s=10.0, memory_latency_ns=120,
    caches=(Cache(64 * KIB, 4, 4, 16), Cache(2048 * KIB, 16, 20, 16)),
)  # fmt: skip
PIXEL_4 = replace(_A76, board="Pixel 4", clock_mhz=2420, memory_gb_s=14.0)


@dataclass(frozen=True)
class Published:
    """One published time; ``emulated`` is the core whose code runs in the emulator, ``remark`` what was assumed."""

    model: str
    precision: str
    core: Core
    emulated: str
    threads: int
    ms: float
    source: str
    remark: str = ""


_A72_CODE = "the code that runs on a Cortex-A72"
_MANY = "threads shared ideally"
_RUY = "LiteRT of 2020, before XNNPACK was its default"


def _xnnpack(core: Core, threads: int, remark: str, times: dict[str, float]) -> list[Published]:
    return [
        Published(*name.split(), core, "cortex-a72", threads, ms, XNNPACK, remark)  # type: ignore[arg-type]
        for name, ms in times.items()
    ]


def _float(v1: float, v2: float, large: float, small: float) -> dict[str, float]:
    times = {"MobileNetV1": v1, "MobileNetV2": v2, "MobileNetV3Large": large, "MobileNetV3Small": small}
    return {f"{model} float32": ms for model, ms in times.items()}


ROWS = [
    *_xnnpack(PIXEL_2, 1, _A72_CODE, _float(86, 53, 42, 14)),
    *_xnnpack(PIXEL_3A, 1, _A72_CODE, _float(88, 55, 44, 14)),
    *_xnnpack(PI4, 4, _MANY, {**_float(77, 46, 40, 15), "MobileNetV1 int8": 24, "MobileNetV2 int8": 17}),
    Published("MobileNetV1", "float32", PIXEL_3, "cortex-a72", 4, 23.9, LITERT, f"{_MANY}; {_A72_CODE}; {_RUY}"),
    Published("MobileNetV1", "int8", PIXEL_3, "cortex-a72", 4, 13.4, LITERT, f"{_MANY}; {_A72_CODE}; {_RUY}"),
    Published("MobileNetV1", "float32", PIXEL_4, "cortex-a76", 4, 14.0, LITERT, f"{_MANY}; {_RUY}"),
    Published("MobileNetV1", "int8", PIXEL_4, "cortex-a76", 4, 5.0, LITERT, f"{_MANY}; {_RUY}"),
    Published("MobileNetV2", "float32", PI5, "cortex-a76", 4, 10.89, ARM, f"{_MANY}; their number is not said"),
    Published("MobileNetV2", "int8", PI5, "cortex-a76", 4, 4.01, ARM, f"{_MANY}; their number is not said"),
]
