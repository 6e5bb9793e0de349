"""Every objective there is, by name, and their weighted sum: what ``[distill.objective]`` may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgekd.distill.attention_transfer import AttentionTransfer
from edgekd.distill.dist import Dist
from edgekd.distill.dkd import DKD
from edgekd.distill.fitnet import FitNet
from edgekd.distill.hinton import Hinton
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.relational import Relational
from edgekd.distill.similarity_preserving import SimilarityPreserving
from edgekd.distill.standardized import Standardized
from edgekd.section import Section
from edgekd.training.labels import LabelsOnly

# What to say of an objective on logits that has no form for tags, of which each is a choice by itself.
_NOT_OF_TAGS = {
    "standardized": "it compares a photo's logits with each other, and the sign of a tag's logit is its answer",
    "dkd": "of the two probabilities of a tag nothing is left to decouple: its first term is hinton's",
    "dist": "it compares a photo's classes with each other, of which one is the answer",
}
OnLogits = Hinton | Standardized | DKD | Dist | LabelsOnly
OnFeatures = FitNet | AttentionTransfer | SimilarityPreserving | Relational
FEATURE_NAMES = ("fitnet", "attention_transfer", "similarity_preserving", "relational")


class Term(Section):
    """One objective and what its loss is multiplied by."""

    weight: float = Field(1.0, gt=0)
    """Factor of this objective's loss in the sum."""
    objective: Annotated[OnLogits | OnFeatures, Field(discriminator="name")]
    """The objective and its settings; its name is required here."""


class Weighted(Section):
    """The sum of several objectives, each times its weight; at least one of them must be on logits."""

    name: Literal["weighted"] = "weighted"
    """The objective: a weighted sum of several, each a term."""
    terms: tuple[Term, ...] = Field(min_length=1)
    """The terms, as [[distill.objective.terms]] tables. At least one must be on logits, for features train no head."""

    @model_validator(mode="after")
    def _teaches_logits(self) -> Weighted:
        if all(isinstance(term.objective, FeatureObjective) for term in self.terms):
            raise ValueError(
                "objectives on features alone leave the head untrained; add a term on logits, such as hinton, dkd or "
                "labels"
            )
        return self


Objective = Annotated[OnLogits | Weighted, Field(discriminator="name")]
"""What a student can be trained by; an objective on features is a term beside one on logits."""


def terms_of(objective: OnLogits | Weighted) -> tuple[Term, ...]:
    """The objective as a sum: itself with weight 1 where it is not a sum."""
    return objective.terms if isinstance(objective, Weighted) else (Term(objective=objective),)


def why_not_tags(objective: OnLogits | Weighted) -> str | None:
    """Why an objective can't train a student of tags, and which can; None where it can."""
    for term in terms_of(objective):
        name = term.objective.name
        if name in _NOT_OF_TAGS:
            works = ", ".join(f'"{other}"' for other in ("hinton", "labels"))
            return (
                f'"{name}" is for one class a photo: {_NOT_OF_TAGS[name]}. With tags take one of {works}, alone or as '
                f'terms of "weighted" beside {", ".join(FEATURE_NAMES)}'
            )
    return None
