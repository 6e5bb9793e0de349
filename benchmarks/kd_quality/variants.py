"""What is compared: which images, which labels, which objective; and the settings that each chooses from."""

from __future__ import annotations

from dataclasses import dataclass, replace
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

EPOCHS, LONG, BATCH, VIEWS = 4, 12, 128, 4
LEARNING_RATE, WEIGHT_DECAY = 6e-3, 1e-3
TUNING_EPOCHS, TUNING_SEED = 2, 100


@dataclass(frozen=True)
class Setting:
    """One choice of what a variant leaves open."""

    name: str
    objective: Any
    confidence: ConfidenceWeight | ConfidenceThreshold | None = None
    learning_rate: float = LEARNING_RATE

    @property
    def features(self) -> bool:
        """Whether it compares feature maps."""
        return any(isinstance(term.objective, FeatureObjective) for term in terms_of(self.objective))


@dataclass(frozen=True)
class Variant:
    """A row of the table. ``settings`` are tried on held-out images; with one there is nothing to choose."""

    name: str
    title: str
    settings: tuple[Setting, ...]
    labels: Literal["3000", "all"] = "3000"
    photos: Literal["3000", "all"] = "all"
    views: int = VIEWS
    epochs: int = EPOCHS
    mixed: bool = False

    @property
    def distilled(self) -> bool:
        """Whether a teacher takes part."""
        return not all(isinstance(setting.objective, LabelsOnly) for setting in self.settings)


LABELS = Setting("labels", LabelsOnly())
HINTON = Variant(
    "hinton", "KD (Hinton), the 57,000 without labels too",
    tuple(Setting(f"T{t:g}", Hinton(softmax_temperature=t)) for t in (2.0, 4.0)),
)  # fmt: skip
ON_LOGITS = (
    HINTON,
    Variant("standardized", "logit standardization",
            tuple(Setting(f"T{t:g}", Standardized(softmax_temperature=t)) for t in (1.0, 2.0))),
    Variant("dkd", "decoupled KD", tuple(Setting(f"b{b:g}", DKD(other_weight=b)) for b in (1.0, 4.0))),
    Variant("dist", "DIST", tuple(Setting(f"T{t:g}", Dist(softmax_temperature=t)) for t in (1.0, 4.0))),
)  # fmt: skip
FEATURES: tuple[tuple[str, str, Any, tuple[float, float]], ...] = (
    ("fitnet", "hints (FitNet)", FitNet(), (0.1, 1.0)),
    ("attention_transfer", "attention transfer", AttentionTransfer(), (0.5, 5.0)),
    ("similarity_preserving", "similarity preserving", SimilarityPreserving(), (30.0, 300.0)),
    ("relational", "relational (distances)", Relational(angle_weight=0), (1.0, 10.0)),
)


def on_features(base: Setting) -> tuple[Variant, ...]:
    """A row for each objective on features: a term beside the logit objective ``base``, with two weights to try."""
    return tuple(
        Variant(name, f"KD + {title}", tuple(_plus(base, objective, weight) for weight in weights))
        for name, title, objective, weights in FEATURES
    )


def _plus(base: Setting, objective: Any, weight: float) -> Setting:
    terms = (*terms_of(base.objective), Term(weight=weight, objective=objective))
    return Setting(f"{base.name}w{weight:g}", Weighted(terms=terms))


def main_rows(hinton: Setting) -> tuple[Variant, ...]:
    """The rows that decide whether distillation is worth it."""
    return (
        Variant("scratch_3k", "from scratch, 3,000 labels", (LABELS,), photos="3000"),
        Variant("scratch_60k", "from scratch, all 60,000 labels", (LABELS,), labels="all"),
        Variant("kd_labelled", "KD (Hinton) on the 3,000 labelled only", (hinton,), photos="3000"),
        HINTON,
    )


def combined(logits: Setting, features: Setting) -> tuple[Variant, ...]:
    """The best logit objective and the best feature term together; then with more passes, beside its baseline."""
    setting = Setting("best", Weighted(terms=(*terms_of(logits.objective), terms_of(features.objective)[-1])))
    long = f", {LONG} passes"
    return (
        Variant("combined", "best combination", (setting,)),
        Variant("combined_long", f"best combination{long}", (setting,), epochs=LONG),
        Variant("scratch_60k_long", f"from scratch, all 60,000 labels{long}", (LABELS,), labels="all", epochs=LONG),
    )


def other_rows(hinton: Setting) -> tuple[Variant, ...]:
    """Plain KD with as many passes as the best combination; how far to trust the teacher; how many views."""
    weighted = replace(hinton, name="p1", confidence=ConfidenceWeight())
    sure = replace(hinton, name="0.8", confidence=ConfidenceThreshold(at_least=0.8))
    return (
        Variant("hinton_long", f"KD (Hinton), the 57,000 without labels too, {LONG} passes", (hinton,), epochs=LONG),
        Variant("confidence_weight", "KD, unlabelled weighted by the teacher's confidence", (weighted,)),
        Variant("confidence_threshold", "KD, unlabelled only where the teacher is sure of >= 0.8", (sure,)),
        Variant("hinton_v1", "KD, V = 1 (no augmentation)", (hinton,), views=1),
        Variant("hinton_mixed", "KD, half of the views mixed (mixup, cutmix)", (hinton,), mixed=True),
        Variant("hinton_v8", "KD, V = 8 (a new view every pass)", (hinton,), views=8),
        Variant("scratch_3k_v8", "from scratch, 3,000 labels, V = 8", (LABELS,), photos="3000", views=8),
    )


def short_rows() -> tuple[Variant, ...]:
    """A row for each kind of training, of one pass: on labels, on logits, on features, on mixed views."""
    plain = HINTON.settings[0]
    return (
        Variant("scratch_3k", "from scratch, 3,000 labels", (LABELS,), photos="3000", epochs=1),
        Variant("fitnet", "KD + hints (FitNet)", (_plus(plain, FitNet(), 0.1),), epochs=1),
        Variant("hinton_mixed", "KD, half of the views mixed", (plain,), epochs=1, mixed=True),
    )
