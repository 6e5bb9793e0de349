"""Distillation objectives: what a student's loss is made of.

objective                 what an objective is: on logits, or on feature maps at taps
hinton, standardized, dkd, dist                                         objectives on logits, one a file
fitnet, attention_transfer, similarity_preserving, relational           objectives on features, one a file
table                     all of them by name, and weighted sums of them: ``[distill.objective]`` of a recipe
confidence                how much an unlabelled photo counts
vectors                   a teacher of which only vectors are known
bind                      an objective tied to a student and its teacher, as the training loop calls it
keras_distiller           objectives inside ``keras.distillation.Distiller``
"""

from edgekd.distill.attention_transfer import AttentionTransfer
from edgekd.distill.bind import BoundObjective, bind
from edgekd.distill.confidence import ConfidenceThreshold, ConfidenceWeight
from edgekd.distill.dist import Dist
from edgekd.distill.dkd import DKD
from edgekd.distill.fitnet import FitNet
from edgekd.distill.hinton import Hinton
from edgekd.distill.keras_distiller import DistillerLoss, stock_distiller
from edgekd.distill.objective import FeatureObjective, LogitObjective, Taps
from edgekd.distill.relational import Relational
from edgekd.distill.similarity_preserving import SimilarityPreserving
from edgekd.distill.standardized import Standardized
from edgekd.distill.table import Objective, Term, Weighted
from edgekd.training.labels import LabelsOnly

__all__ = [
    "DKD",
    "AttentionTransfer",
    "BoundObjective",
    "ConfidenceThreshold",
    "ConfidenceWeight",
    "Dist",
    "DistillerLoss",
    "FeatureObjective",
    "FitNet",
    "Hinton",
    "LabelsOnly",
    "LogitObjective",
    "Objective",
    "Relational",
    "SimilarityPreserving",
    "Standardized",
    "Taps",
    "Term",
    "Weighted",
    "bind",
    "stock_distiller",
]
