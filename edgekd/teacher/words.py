"""Class words: a table of text vectors, by which an image encoder's features are classified without any label.

Source: zero-shot classification of CLIP, Radford et al., arXiv:2103.00020, section 3.1; several prompts a class are
averaged after each is normalized, section 3.1.4.
"""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from edgekd.data.names import clean_name, explain_unknown
from edgekd.errors import EdgekdError, MemoryShortage, ModelError
from edgekd.memory import find_bomb
from edgekd.storage import require_regular_file, sha256_file
from edgekd.teacher.settings import PRIOR_TOLERANCE
from edgekd.text import one_line

Vectors = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float32]
Shares = npt.NDArray[np.float64]
PriorSource = Literal["recipe", "table", "equal", "estimate"]

_KEYS = ("classes", "vectors", "logit_scale", "prior")
_MOST_BYTES, _MOST_GROWTH, _MOST_NAMES = 1 << 30, 200, 12
_CLIP_SCALE = 100.0
_HOW = "edgekd/reference/teachers.md has a script that makes such a table"


@dataclass(frozen=True, eq=False)
class ClassWords:
    """Unit vectors float32 [C, D] of C classes' texts, and how an encoder's cosines with them become logits.

    ``prior`` float64 [C] has the classes' shares of all photos, where the table states them; ``prompts`` is the number
    of texts that were averaged for each class, ``key`` the hash of the file.
    """

    where: str
    key: str
    classes: tuple[str, ...]
    vectors: Vectors
    logit_scale: float
    prompts: int = 1
    prior: Shares | None = None

    @property
    def dimensions(self) -> int:
        """Length D of a vector."""
        return int(self.vectors.shape[1])

    def of_classes(self, classes: Sequence[str]) -> ClassWords:
        """The table of the data's classes, in their order; it may hold more. Raises ModelError for one that it lacks.

        A prior is that of the classes that are left.
        """
        missing = [name for name in classes if clean_name(name) not in self.classes]
        if missing:
            raise ModelError(
                f"{self.where} has no vector for the data's class {', '.join(map(repr, missing))} (it has "
                f"{_some(self.classes)}){explain_unknown(missing, self.classes)}. Write the data's names into the "
                "table's classes, or the table's into [data] classes"
            )
        rows = [self.classes.index(clean_name(name)) for name in classes]
        prior = None if self.prior is None else self.prior[rows] / self.prior[rows].sum()
        return replace(self, classes=tuple(classes), vectors=self.vectors[rows], prior=prior)

    def require_dimensions(self, dimensions: int, encoder: str) -> None:
        """Raise ModelError unless the encoder's features have as many dimensions as the vectors."""
        if dimensions != self.dimensions:
            raise ModelError(
                f"{encoder} gives features of {dimensions:,} dimensions, and the vectors of {self.where} have "
                f"{self.dimensions:,}. Text and image vectors must come from the two encoders of one model, after its "
                "projection; name the projected output as [teacher] output where the file has several"
            )


def cosines(features: npt.NDArray[Any], vectors: Vectors) -> npt.NDArray[np.float32]:
    """Cosines float32 [N, C] of features [N, D] with unit vectors [C, D]; 0 for a feature of zeros."""
    rows = np.asarray(features, np.float32)
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray((rows / lengths) @ vectors.T, np.float32)


class WordsRecord(TypedDict):
    """The class words of a teacher: their file, and the shares of the classes ``prior`` that they assume.

    These were ``prior_from`` the recipe, the table or "equal", or estimated on ``photos``; ``converged`` says whether
    the estimate had settled.
    """

    file: str
    prompts: int
    logit_scale: float
    prior: dict[str, float]
    prior_from: PriorSource
    photos: int
    converged: bool


def read_words(path: Path) -> ClassWords:
    """Read a table of class words; nothing in it is unpickled.

    Args:
        path: A .npz with ``classes`` (C names), ``vectors`` [C, D], or [C, P, D] of P prompts a class, ``logit_scale``
            (the factor, not its logarithm) and, if wanted, ``prior`` [C].

    Returns:
        The table, its vectors of length 1.

    Raises:
        ModelError: One sentence for what is wrong with the file, or missing in it.
    """
    arrays = _arrays(path)
    missing = [key for key in _KEYS[:3] if key not in arrays]
    if missing:
        more = ""
        if missing == ["logit_scale"]:
            more = ": the factor that the model multiplies cosines with, which its softmax needs (CLIP's is 100)"
        raise ModelError(
            f"{path} has no {' and no '.join(missing)}{more} (of these it has "
            f"{one_line(', '.join(arrays)) or 'nothing'}). {_HOW}"
        )
    classes = _class_names(arrays["classes"], path)
    prompts, vectors = _unit_vectors(arrays["vectors"], classes, path)
    prior = check_prior(arrays["prior"], len(classes), f"{path}: prior") if "prior" in arrays else None
    return ClassWords(
        str(path), sha256_file(path), classes, vectors, _scale(arrays["logit_scale"], path), prompts, prior
    )


def check_prior(values: Any, count: int, where: str) -> Shares:
    """The shares of ``count`` classes float64 [C], which sum to 1. Raises ModelError."""
    shares = np.asarray(values)
    fits = shares.dtype.kind in "fiu" and shares.shape == (count,)
    shares = shares.astype(np.float64) if fits else shares
    if not fits or not np.isfinite(shares).all() or (shares <= 0).any() or abs(shares.sum() - 1) > PRIOR_TOLERANCE:
        raise ModelError(
            f"{where} must be {count} shares above 0 that sum to 1, a class each, and is {_short(shares)}. Correct it, "
            "or leave it out: then the classes count as equally frequent"
        )
    return np.asarray(shares / shares.sum(), np.float64)


def shares_of(prior: Mapping[str, float], classes: Sequence[str], where: str) -> Shares:
    """Shares by class name as float64 [C] in the order of ``classes``.

    Raises ModelError for names or sums that don't fit.
    """
    names = {clean_name(name): share for name, share in prior.items()}
    wanted = [clean_name(name) for name in classes]
    if names.keys() != set(wanted):
        wrong = [name for name in names if name not in wanted] or [name for name in wanted if name not in names]
        raise ModelError(
            f"{where} must have a share for each class ({_some(tuple(classes))}), and no other; "
            f"{', '.join(map(repr, wrong))} {'is' if len(wrong) == 1 else 'are'} "
            f"{'not among them' if wrong[0] not in wanted else 'missing'}{explain_unknown(wrong, wanted)}"
        )
    return check_prior([float(names[name]) for name in wanted], len(wanted), where)


def describe_words(record: Mapping[str, Any]) -> str:
    """Which class words a teacher has and what they assume, in a sentence."""
    prompts = f", the mean of {record['prompts']} prompts a class" if record["prompts"] > 1 else ""
    shares = ", ".join(f"{name} {share:.1%}" for name, share in record["prior"].items())
    assumed = {
        "equal": "the classes are taken to be equally frequent",
        "table": f"shares of the classes, as the table has them: {shares}",
        "recipe": f"shares of the classes, as the recipe has them: {shares}",
        "estimate": f"shares of the classes, estimated on {record['photos']:,} photos: {shares}",
    }[record["prior_from"]]
    unsettled = "" if record["converged"] else " (the estimate had not settled after 1,000 steps)"
    return f"class words of {record['file']}{prompts}, logit scale {record['logit_scale']:g}; {assumed}{unsettled}"


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        require_regular_file(path)
        with zipfile.ZipFile(path) as archive:
            size, bomb = sum(member.file_size for member in archive.infolist()), find_bomb(archive, _MOST_GROWTH)
        if size > _MOST_BYTES or bomb is not None:
            raise ModelError(f"{path} unpacks to {size:,} bytes, which no table of class words does. It is not opened")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if key in _KEYS}
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist. [teacher] words is the path of a .npz; {_HOW}") from None
    except MemoryError:
        raise MemoryShortage(f"there is not enough memory to read {path}") from None
    except EdgekdError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's reader of headers raise many kinds on a damaged file.
        advice = ". Write the names as np.array(names, dtype=str)" if "pickle" in str(error) else f". {_HOW}"
        raise ModelError(f"{path} cannot be read as a .npz of plain arrays: {one_line(str(error))}{advice}") from None


def _class_names(names: npt.NDArray[Any], path: Path) -> tuple[str, ...]:
    if names.dtype.kind != "U" or names.ndim != 1 or len(names) < 2:
        raise ModelError(
            f"{path}: classes is {names.dtype} {list(names.shape)}. It must be a list of two or more names: "
            "np.array(names, dtype=str)"
        )
    classes = tuple(clean_name(str(name)) for name in names)
    twice = [name for name, count in Counter(classes).items() if count > 1 or not name]
    if twice:
        raise ModelError(
            f"{path}: classes has {twice[0]!r} {'twice' if twice[0] else '(nothing) as a name'}. Give each class once; "
            "several prompts of a class go into vectors [C, P, D]"
        )
    return classes


def _unit_vectors(vectors: npt.NDArray[Any], classes: tuple[str, ...], path: Path) -> tuple[int, Vectors]:
    """The number of prompts a class, and the mean of their unit vectors, of length 1 [C, D]."""
    if vectors.dtype.kind != "f" or vectors.ndim not in (2, 3) or len(vectors) != len(classes) or not vectors.size:
        raise ModelError(
            f"{path}: vectors is {vectors.dtype} {list(vectors.shape)}. It must be float32 [{len(classes)}, D], a "
            f"vector for each of its {len(classes)} classes, or [{len(classes)}, P, D] of P prompts a class"
        )
    prompts = vectors.astype(np.float64).reshape(len(vectors), -1, vectors.shape[-1])
    for name, rows in zip(classes, prompts, strict=True):
        if not np.isfinite(rows).all() or not rows.any(axis=1).all():
            what = "a number that is not finite" if not np.isfinite(rows).all() else "a vector of zeros"
            raise ModelError(f"{path}: the vectors of class {name!r} hold {what}. Make the table again")
    means = (prompts / np.linalg.norm(prompts, axis=2, keepdims=True)).mean(axis=1)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        name = classes[int(lengths.argmin())]
        raise ModelError(f"{path}: the prompts of class {name!r} cancel each other out. Make the table again")
    return prompts.shape[1], np.asarray(means / lengths, np.float32)


def _scale(scale: npt.NDArray[Any], path: Path) -> float:
    if scale.dtype.kind not in "fiu" or scale.size != 1:
        raise ModelError(f"{path}: logit_scale is {scale.dtype} {list(scale.shape)}. It must be one number")
    value = float(scale.reshape(()))
    if not math.isfinite(value) or value <= 0:
        raise ModelError(f"{path}: logit_scale must be above 0 and finite, got {value}")
    if abs(value - math.log(_CLIP_SCALE)) < 1e-3:
        raise ModelError(
            f"{path}: logit_scale is {value:.4f}, the logarithm of {_CLIP_SCALE:g} that CLIP stores. Write its "
            "exponential: np.exp(logit_scale)"
        )
    return value


def _short(values: npt.NDArray[Any]) -> str:
    """A few values, or what kind of array it is."""
    if values.ndim == 1 and values.dtype.kind in "fiu" and len(values) <= _MOST_NAMES:
        return f"[{', '.join(f'{value:g}' for value in values)}]"
    return f"{values.dtype} {list(values.shape)}"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMES else f"{', '.join(names[:10])} and {len(names) - 10} more"
