"""The recipe's table on how an answer follows from probabilities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgekd.section import Section


class DecideSection(Section):
    """The rule that is written into the files, by which every app turns probabilities into an answer."""

    calibrate: Literal["auto"] | bool = "auto"
    """Scale each file's scores so that its probabilities are as often right as they say, fitted on validation photos.

    It never changes the most probable class. "auto": where photos have tags, or where reject is in use.
    """
    reject: Literal["auto"] | bool = "auto"
    """Answer "none of these" where the best probability is below a threshold, chosen on validation photos.

    "auto": where data.none names photos that show none of the classes.
    """
    keep: float = Field(0.95, gt=0, lt=1)
    """Share of the validation photos of the classes that the threshold of reject must keep."""
    thresholds: Literal["f1"] | float = Field("f1", examples=[0.5])
    """Least probability of a tag, where photos have tags: "f1" for each tag's best F1 on validation photos, or one
    number for all.
    """
