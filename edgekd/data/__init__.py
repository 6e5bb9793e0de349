"""Photos: where they come from, which split they are in, and the views of them that models see.

load            from a source of any kind to a `Dataset`
dataset         photos with labels and splits, and the hash that names them
sources         a folder, several folders, a CSV or an .npz, and what is beside it
listing         what a source lists before a photo is opened; names of splits, order of classes
folder, csv_file, arrays    the three kinds of source
csv_table       the header and the rows of a CSV
csv_columns     which columns are the file, the label and the split
csv_tags        several labels in a cell, or a column of 0 and 1 for each tag
csv_names       the files that a CSV means, where its names were written on another machine
names           how names of classes and photos are compared, and what an invisible difference is
text_file       text files in the encodings that people's tools write
reading         from a listed photo to pixels and hashes
duplicates      equal photos and photos that look alike
near_pairs      groups of photos near in hash and colour, without comparing every pair
splitting       train, val and test: stratified, seeded, duplicates on one side
stratify        parts in which every tag has its share
few_labels      few labels of many
corrections     labels as a person corrected them, laid over the data
class_names     names of classes in the order of a model's outputs
warnings        what is unusual about photos, counted
images          photos as arrays of a model's input size
views           augmented views as a pure function of content, seed and number (views_ops, views_colour, views_mix)
views_render    from a sample and a view's number to pixels
view_store, views_live    views on disk, or rendered on demand
settings        which settings go into the keys of stages
traffic_lights  the quickstart's photos
"""

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
