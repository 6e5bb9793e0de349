"""The training loop that teachers and students share; a training that was killed resumes with the same weights.

loop             one step function for every model and every objective
schedule         how long and how fast to train: a recipe's ``schedule``
batches          which photo, in which view, is in which batch
order            the order of a pass, computed on demand
joined_order     the order and the labels where soft-labelled photos follow the pool's
labels           cross-entropy with the labels, one a photo or tags
epoch_choice     which epoch counts
scores           how good logits are against labels or tags
checkpoint       the state of a training as one file
time_budget      a step measured, a training predicted, and what fits a time
replicas         training on all GPUs of a machine
"""

from edgekd.training.batches import UNLABELLED, Batch, BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Handling, History, Validation, train
from edgekd.training.schedule import Schedule

__all__ = ["UNLABELLED", "Batch", "BatchStream", "Handling", "History", "LabelsOnly", "Schedule", "Validation", "train"]
