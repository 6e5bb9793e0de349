"""What is compared: which images, which labels, which objective; and the settings that each chooses from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edgekd.distill.attention_transfer import AttentionTransfer
from edgekd.distill.confidence import ConfidenceThreshold, ConfidenceWeight
from edgekd.distill.dist import Dist
from edgekd.distill.dkd import DKD
from edgekd.distill.fitnet import FitNet
from edgekd.distill.hinton import Hinton
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.relational import Relational
from edgekd.distill.similarity_preserving import SimilarityPreserving
from edgekd.distill.standardized import Standardized
from edgekd.distill.table import Term, Weighted, terms_of
from edgekd.training.labels import LabelsOnly

EPOCHS, BATCH, VIEWS, LONG = 10, 128, 4, 3


@dataclass(frozen=True)
class Setting:
    """One choice of what a variant leaves open."""

    name: str
    objective: Any
    confidence: ConfidenceWeight | ConfidenceThreshold | None = None
    learning_rate: float = 6e-3

    @property
    def features(self) -> bool:
        """Whether it compares feature maps."""
        return any(isinstance(term.objective, FeatureObjective) for term in terms_of(self.objective))


@dataclass(frozen=True)
class Variant:
    """A row of the table. ``settings`` are tried on held-out images; with one there is nothing to choose."""

    name: str
    shown: str
    settings: tuple[Setting, ...]
    labels: Literal["3000", "all"] = "3000"
    photos: Literal["3000", "all"] = "all"
    views: int = VIEWS
    epochs: int = EPOCHS

    @property
    def taught(self) -> bool:
        """Whether a teacher takes part."""
        return not all(isinstance(setting.objective, LabelsOnly) for setting in self.settings)


HINTON = Hinton(softmax_temperature=2.0, label_weight=0.3)
SCRATCH = (Setting("labels", LabelsOnly()),)
PLAIN = (Setting("T2", HINTON),)


def _hinton_and(objective: Any, weights: tuple[float, ...]) -> tuple[Setting, ...]:
    return tuple(
        Setting(f"w{weight:g}", Weighted(terms=(Term(objective=HINTON), Term(weight=weight, objective=objective))))
        for weight in weights
    )


ON_LOGITS = (
    Variant("hinton", "KD (Hinton)", (*PLAIN, Setting("T4", Hinton(softmax_temperature=4.0)))),
    Variant("standardized", "logit standardization",
            tuple(Setting(f"T{t:g}", Standardized(softmax_temperature=t)) for t in (1.0, 2.0))),
    Variant("dkd", "decoupled KD", tuple(Setting(f"b{b:g}", DKD(other_weight=b)) for b in (1.0, 4.0))),
    Variant("dist", "DIST", tuple(Setting(f"T{t:g}", Dist(softmax_temperature=t)) for t in (1.0, 4.0))),
)  # fmt: skip
ON_FEATURES = (
    Variant("fitnet", "KD + hints (FitNet)", _hinton_and(FitNet(), (0.1, 1.0))),
    Variant("attention", "KD + attention transfer", _hinton_and(AttentionTransfer(), (0.5, 5.0))),
    Variant("similarity", "KD + similarity preserving", _hinton_and(SimilarityPreserving(), (30.0, 300.0))),
    Variant("relational", "KD + relational", _hinton_and(Relational(), (0.3, 3.0))),
)
TRUST = (
    Variant("confidence_weight", "KD, unlabelled weighted by the teacher's confidence",
            (Setting("p1", HINTON, ConfidenceWeight()),)),
    Variant("confidence_threshold", "KD, unlabelled only where the teacher is sure of >= 0.8",
            (Setting("0.8", HINTON, ConfidenceThreshold(at_least=0.8)),)),
)  # fmt: skip
VARIANTS = (
    Variant("scratch_3k", "from scratch, 3,000 labels", SCRATCH, photos="3000"),
    Variant("scratch_60k", "from scratch, all 60,000 labels", SCRATCH, labels="all"),
    Variant("kd_labelled", "KD on the 3,000 labelled only", PLAIN, photos="3000"),
    *ON_LOGITS,
    *ON_FEATURES,
    *TRUST,
    Variant("hinton_v1", "KD, V = 1 (no augmentation)", PLAIN, views=1),
    Variant("hinton_v10", "KD, V = 10 (a new view every pass)", PLAIN, views=EPOCHS),
    Variant("scratch_60k_v1", "from scratch, all 60,000 labels, V = 1", SCRATCH, labels="all", views=1),
    Variant("scratch_3k_v10", "from scratch, 3,000 labels, V = 10", SCRATCH, photos="3000", views=EPOCHS),
)


def combined(logits: Setting, features: Setting, epochs: int) -> Variant:
    """The logit objective and the feature term that did best on held-out images, together, in ever new views."""
    term = terms_of(features.objective)[1]
    setting = Setting("best", Weighted(terms=(*terms_of(logits.objective), term)))
    long = epochs > EPOCHS
    return Variant(
        "combined_long" if long else "combined",
        f"best logit + best feature objective, V = 10{f', {epochs} passes' if long else ''}",
        (setting,), views=EPOCHS, epochs=epochs,
    )  # fmt: skip


def best_logits(setting: Setting, epochs: int) -> Variant:
    """The best logit objective alone, as patient as the combination."""
    return Variant(
        "logits_long", f"best logit objective alone, V = 10, {epochs} passes", (setting,), views=EPOCHS, epochs=epochs
    )
