"""Every way to a smaller file that is compared: a name, a title, and how it is converted from a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import Case

from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import Conversion, to_float32, to_int8
from edgekd.quantize.qat import QatSettings, train_qat
from edgekd.quantize.sparsity import Sparsity, sparsify

Make = Callable[[Case, Path], Conversion]


@dataclass(frozen=True)
class Variant:
    """``make`` is given the case and a folder for intermediate files; ``sparse`` ones come last."""

    name: str
    title: str
    make: Make

    @property
    def sparse(self) -> bool:
        """Whether it prunes or clusters."""
        return "prune" in self.title or "cluster" in self.title


def _ptq(ranges: Any) -> Make:
    return lambda case, _: to_int8(load_float_model(case.student), case.calibration, ranges=ranges)


def _sparse(case: Case, folder: Path, method: Any) -> Any:
    """The float student with those weights, trained once and shared by the variants that start from it."""
    from edgekd.models.load import load_model
    from edgekd.storage import replacing

    path = folder / f"{case.slug}-{method.replace(':', '')}.keras"
    if not path.is_file():
        section = Sparsity(
            method=method,
            epochs=max(2, case.epochs),
            batch_size=case.batch_size,
            learning_rate=case.learning_rate * 2.5,
        )
        result = sparsify(
            case.student, section, case.objective, case.batches(case.batch_size), case.validation,
            steps_per_epoch=case.steps_per_epoch, seed=case.seed, checkpoint=path.with_suffix(".npz"), key=path.stem,
        )  # fmt: skip
        with replacing(path) as temporary:
            result.student.save(temporary)
    return load_model(path)


def _qat(method: Any = "qat", *, distilled: bool = True, of: str | None = None) -> Make:
    def make(case: Case, folder: Path) -> Conversion:
        section = QatSettings(
            method=method, epochs=case.epochs, batch_size=case.batch_size, learning_rate=case.learning_rate
        )
        student = case.student if of is None else _sparse(case, folder, of)
        key = f"{case.slug}-{method}-{'soft-targets' if distilled else 'labels'}"
        return train_qat(
            student, section, case.objective if distilled else None, case.batches(case.batch_size), case.validation,
            steps_per_epoch=case.steps_per_epoch, seed=case.seed, checkpoint=folder / f"{key}.npz", key=key,
            calibration=case.calibration,
        )  # fmt: skip

    return make


def _ptq_of(method: Any) -> Make:
    return lambda case, folder: to_int8(load_float_model(_sparse(case, folder, method)), case.calibration)


FLOAT = Variant("float32", "float32", lambda case, _: to_float32(load_float_model(case.student)))
VARIANTS = (
    FLOAT,
    Variant("ptq-min-max", "PTQ, min-max", _ptq("min-max")),
    Variant("ptq-percentile", "PTQ, percentile", _ptq("percentile")),
    Variant("ptq-mse", "PTQ, MSE", _ptq("mse")),
    Variant("kd-qat", "KD-QAT", _qat()),
    Variant("qat", "QAT, labels alone", _qat(distilled=False)),
    Variant("prune-ptq", "50 % pruned, PTQ", _ptq_of("prune")),
    Variant("pqat", "50 % pruned, KD-PQAT", _qat("pqat", of="prune")),
    Variant("prune24-ptq", "2:4 pruned, PTQ", _ptq_of("prune-2:4")),
    Variant("cluster-ptq", "16 clusters, PTQ", _ptq_of("cluster")),
    Variant("cqat", "16 clusters, KD-CQAT", _qat("cqat", of="cluster")),
    Variant("pcqat", "50 % pruned, 16 clusters, KD-PCQAT", _qat("pcqat", of="prune-cluster")),
)
