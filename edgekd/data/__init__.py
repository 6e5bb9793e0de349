"""Photos: where they come from, which split they are in, and the views of them that models see."""

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.data.listing import SPLITS
from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.data.view_store import ViewStore
from edgekd.data.views import View, ViewPolicy, draw_view, render
from edgekd.data.views_live import LiveViews, TrainingViews, open_views
from edgekd.data.views_mix import Mix, Mixing, MixPolicy, mix_views
from edgekd.data.views_ops import RandAugment
from edgekd.data.views_render import Renderer, rendered_batches
from edgekd.data.warnings import DataWarning

__all__ = [
    "SPLITS",
    "DataWarning",
    "Dataset",
    "DuplicateSummary",
    "LiveViews",
    "Mix",
    "MixPolicy",
    "Mixing",
    "RandAugment",
    "Renderer",
    "Sample",
    "SplitPolicy",
    "TrainingViews",
    "View",
    "ViewPolicy",
    "ViewStore",
    "draw_view",
    "load_dataset",
    "mix_views",
    "open_views",
    "render",
    "rendered_batches",
    "traffic_light_folders",
]
