"""Photos: where they come from, which split they are in, and the views of them that models see."""

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.data.listing import SPLITS
from edgekd.data.load import load_dataset
from edgekd.data.notices import DataWarning
from edgekd.data.splitting import SplitPolicy
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.data.view_store import ViewStore, rendered_batches
from edgekd.data.views import View, ViewPolicy, draw_view, render

__all__ = [
    "SPLITS",
    "DataWarning",
    "Dataset",
    "DuplicateSummary",
    "Sample",
    "SplitPolicy",
    "View",
    "ViewPolicy",
    "ViewStore",
    "draw_view",
    "load_dataset",
    "render",
    "rendered_batches",
    "traffic_light_folders",
]
