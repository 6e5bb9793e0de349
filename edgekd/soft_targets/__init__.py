"""Soft targets: the teacher's stored logits, which students learn from in place of the teacher itself.

The teacher runs once over every (photo, view) and its logits are written to disk. Training a student then only reads
photos and logits, and the tenth student of a sweep costs no further teacher.

    store           the files: shards of logits, memory-mapped, and the manifest that names them
    compute         teacher and views in, shards out; resumes after a kill; in this process or by workers
    photo_list      lists of photos of any length, streamed from text, CSV or Parquet, here or on an object store
    photo_reader    the photos of a list, read and rendered some batches ahead of the teacher
    joined          a run's photos and those of further stores as one source of views and logits
"""

from edgekd.soft_targets.compute import ShardWriter, compute_soft_targets, fill_soft_targets
from edgekd.soft_targets.joined import JoinedLogits, JoinedViews, StoredPhotos
from edgekd.soft_targets.photo_list import ListFacts, names_in, store_list
from edgekd.soft_targets.photo_reader import Readers, Rendering
from edgekd.soft_targets.store import SoftTargets, open_soft_targets

__all__ = [
    "JoinedLogits",
    "JoinedViews",
    "ListFacts",
    "Readers",
    "Rendering",
    "ShardWriter",
    "SoftTargets",
    "StoredPhotos",
    "compute_soft_targets",
    "fill_soft_targets",
    "names_in",
    "open_soft_targets",
    "store_list",
]
