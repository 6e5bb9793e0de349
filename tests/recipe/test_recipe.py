"""Recipes: what is wrong is named with its key, its file and the nearest valid name."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekd.distill.dkd import DKD
from edgekd.errors import RecipeError
from edgekd.recipe import load_recipe

MINIMAL = 'name = "road"\n[data]\nsource = "photos"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "road.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_start_at_the_recipe(tmp_path: Path) -> None:
    text = 'student.model = "own/s.keras@64"\n' + MINIMAL + 'unlabelled = "../more"\n'
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.data.source == tmp_path / "photos"
    assert recipe.data.unlabelled == tmp_path.parent / "more"
    assert recipe.student.model == f"{tmp_path}/own/s.keras@64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "unlabeled = 'x'\n", r"unknown key 'data.unlabeled'; did you mean 'data.unlabelled'\?"),
        (MINIMAL + "[distil]\nepochs = 3\n", r"unknown key 'distil'; did you mean 'distill'\?"),
        (
            MINIMAL + "[distill.schedule]\nlr = 3\n",
            r"unknown key 'distill.schedule.lr'; did you mean 'distill.schedule.learning_rate'\?",
        ),
        (MINIMAL + "[distill.objective]\nsoftmax_temperature = 0\n", r"softmax_temperature: .*greater than 0, got 0"),
        (
            MINIMAL + '[distill.objective]\nname = "dkdd"\n',
            r"distill.objective: .*'dkdd' .*'hinton', 'standardized', 'dkd'",
        ),
        (MINIMAL + '[distill.objective]\nname = "fitnet"\n', r"fitnet compares features, .* Make it a term of a sum"),
        (
            MINIMAL + '[distill.objective]\nname = "dkd"\ntemperature = 3\n',
            r"unknown key 'distill.objective.temperature'",
        ),
        (MINIMAL + '[distill]\nlabels = "none"\nlabelled_share = 0.5\n', r"distill: labelled_share says how often"),
        (MINIMAL + '[distill]\nconfidence = { kind = "often" }\n', r"distill.confidence: .*'weight', 'threshold'"),
        (
            MINIMAL + '[student]\nmodel = "cnn:8@32"\npixel_range = [0, 1]\n',
            r"student: pixel_range is for a network of your own .*; cnn:8@32 needs none",
        ),
        (MINIMAL + '[student]\nmodel = "a.keras"\nmean = [0, 0, 0]\n', r"student: mean and std go together"),
        (MINIMAL + '[student]\nmodel = "slice:0"\n', r"student.model: student 'slice:0': slice: takes a whole number"),
        (MINIMAL + '[export]\nformats = ["tfjs"]\n', r"export.formats.0: .*'tflite'.*got 'tfjs'"),
        ('name = "x"\n', r"data: Field required"),
        ('name = "../up"\n[data]\nsource = "p"\n', r"name: .*pattern"),
        ("name = \n", r"is not a TOML file"),
        (MINIMAL + "[data.split]\nval = 0.5\ntest = 0.6\n", r"val \+ test must be below 1"),
        (MINIMAL + "[data.split]\ntrain = 1.5\n", r"data.split: train is a number of labels"),
        (MINIMAL + "[data.split]\ntrain = 9\nlabelled_per_class = 3\n", r"leave one of them out"),
        (
            MINIMAL + '[distill]\nlabels = "none"\n',
            r"toml: distill.labels = \"none\" needs a teacher that already knows",
        ),
        (
            MINIMAL + "[data.views.mix]\nmixupp = 1\n",
            r"unknown key 'data.views.mix.mixupp'; did you mean 'data.views.mix.mixup'\?",
        ),
        ("seeds = 0\n" + MINIMAL, r"seeds: .*greater than or equal to 1, got 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(write(tmp_path, text))
    assert str(tmp_path / "road.toml") in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="does not exist"):
        load_recipe(tmp_path / "none.toml")


def test_the_resolved_recipe_reads_back_the_same(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, MINIMAL + "[data.split]\nlabelled_per_class = 20\n"))
    recipe.save(tmp_path / "resolved.toml")
    assert load_recipe(tmp_path / "resolved.toml") == recipe


def test_the_digest_names_what_decides_the_result(tmp_path: Path) -> None:
    base = load_recipe(write(tmp_path, MINIMAL)).digest()
    elsewhere = load_recipe(write(tmp_path, MINIMAL.replace("photos", "copy").replace("road", "other"))).digest()
    hotter = MINIMAL + "[distill.objective]\nsoftmax_temperature = 4.0\n"
    assert elsewhere == base
    assert load_recipe(write(tmp_path, hotter)).digest() != base
    assert load_recipe(write(tmp_path, "seed = 1\n" + MINIMAL)).digest() != base


def test_settings_that_came_later_change_nothing_until_they_are_set(tmp_path: Path) -> None:
    base = load_recipe(write(tmp_path, MINIMAL)).digest()
    for added in (
        "seeds = 1\n" + MINIMAL,
        MINIMAL + "[data.views]\nzoom = 0.0\n",
        MINIMAL + '[distill]\nlabels = "all"\n',
        MINIMAL + "[data.views.mix]\nmixup = 0.0\n",
    ):
        assert load_recipe(write(tmp_path, added)).digest() == base
    for added in (
        "seeds = 3\n" + MINIMAL,
        MINIMAL + "[data.views]\nzoom = 0.1\n",
        MINIMAL + "[data.split]\ntrain = 30\n",
        MINIMAL + "[distill]\nlabelled_share = 0.5\n",
        MINIMAL + "[data.split]\ntrain = 0.5\n",
    ):
        recipe = load_recipe(write(tmp_path, added))
        assert recipe.digest() != base
        recipe.save(tmp_path / "resolved.toml")
        assert load_recipe(tmp_path / "resolved.toml") == recipe


# What was the default when these were taken: what it decides is part of a digest.
FORMER_DEFAULTS = '[gates]\nmin_agreement = 0.98\n[teacher]\nfine_tune_blocks = 0\nself_train = "off"\n'
# Digests of the recipes as they were before quantize.aware and data.taught were renamed.
DIGESTS = {
    FORMER_DEFAULTS: "35ccb7e3b4f7bb372630fde8874d87336399850c6ed74c5aaaaeed6e5f249bbe",
    "[quantize.qat]\nepochs = 3\n"
    + FORMER_DEFAULTS: "e977467f5a63020c1145cac6c7a8a386e552b5fec1bcded9147f2d277b270441",
    "[quantize]\nmax_drop = 0.5\n"
    + FORMER_DEFAULTS: "c5ec3d5fcbe8ba9d3a98fac10594fef6a23d33fd991a4fea220546c846610886",
    'soft_labelled = ["column"]\n'
    + FORMER_DEFAULTS: "35ccb7e3b4f7bb372630fde8874d87336399850c6ed74c5aaaaeed6e5f249bbe",
    '[distill.objective]\nname="dkd"\n'
    + FORMER_DEFAULTS: "581e1d45de38d3a9f3698775023b2f27ef393704b4fd7be499a5b9b4da763e58",
}


@pytest.mark.parametrize("text", DIGESTS)
def test_a_digest_stays_what_it_was(tmp_path: Path, text: str) -> None:
    assert load_recipe(write(tmp_path, MINIMAL + text)).digest() == DIGESTS[text]


@pytest.mark.parametrize(
    ("former", "name"),
    [("[quantize.aware]\nepochs = 3\n", "[quantize.qat]\nepochs = 3\n"),
     ('taught = ["column"]\n', 'soft_labelled = ["column"]\n')],
)  # fmt: skip
def test_a_key_s_former_name_is_accepted_and_the_resolved_recipe_has_the_present_one(
    tmp_path: Path, former: str, name: str
) -> None:
    with pytest.warns(DeprecationWarning, match="is now called"):
        recipe = load_recipe(write(tmp_path, MINIMAL + former))
    present = load_recipe(write(tmp_path, MINIMAL + name))
    assert recipe == present and recipe.digest() == present.digest()
    assert recipe.to_toml() == present.to_toml()
    assert "aware" not in recipe.to_toml() and "taught" not in recipe.to_toml()


def test_a_former_name_beside_the_present_one_is_an_error(tmp_path: Path) -> None:
    text = MINIMAL + "[quantize]\naware = { epochs = 3 }\nqat = { epochs = 4 }\n"
    with pytest.raises(RecipeError, match="quantize: aware is the former name of qat: keep qat and leave aware out"):
        load_recipe(write(tmp_path, text))


def test_what_fine_tuning_does_not_set_has_fine_tuning_s_defaults(tmp_path: Path) -> None:
    table = load_recipe(write(tmp_path, MINIMAL + "[teacher.fine_tune]\nbatch_size = 8\n")).teacher.fine_tune
    assert (table.epochs, table.batch_size, table.learning_rate) == (30, 8, 1e-3)


def test_objectives_are_taken_by_name_and_summed(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + """
[distill]
confidence = { kind = "threshold", at_least = 0.9 }
[distill.objective]
name = "weighted"
[[distill.objective.terms]]
objective = { name = "dkd", other_weight = 4.0 }
[[distill.objective.terms]]
weight = 0.5
objective = { name = "fitnet", taps = { student = "mid", teacher = "block04_add" } }
"""
    )
    recipe = load_recipe(write(tmp_path, text))
    first, second = recipe.distill.objective.terms  # type: ignore[union-attr]
    assert (first.weight, first.objective) == (1.0, DKD(other_weight=4.0))
    assert (second.weight, second.objective.taps.teacher) == (0.5, "block04_add")
    recipe.save(tmp_path / "resolved.toml")
    assert load_recipe(tmp_path / "resolved.toml").distill == recipe.distill


FIXED = MINIMAL + '[student]\nmodel = "cnn:8@32"\n[teacher]\n'


def test_members_of_an_average_take_what_they_do_not_say(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\n", encoding="utf-8")
    text = (
        FIXED + 'classes = "names.txt"\npixel_range = [0, 1]\nmean = [0.4, 0.4, 0.4]\nstd = [0.2, 0.2, 0.2]\n'
        'model = ["a.onnx", {model = "b.keras", pixel_range = [-1, 1]}]\n'
    )
    recipe = load_recipe(write(tmp_path, text))
    one, two = recipe.teacher.members()
    assert (one.model, two.model) == (f"{tmp_path}/a.onnx", f"{tmp_path}/b.keras")
    assert one.classes == two.classes == ("cat", "dog")
    assert (one.pixel_range, one.mean, two.pixel_range, two.mean) == ((0, 1), (0.4, 0.4, 0.4), (-1, 1), None)
    assert not recipe.teacher.train
    recipe.save(tmp_path / "resolved.toml")
    assert load_recipe(tmp_path / "resolved.toml") == recipe


def test_built_in_members_of_an_average_are_trained(tmp_path: Path) -> None:
    text = (
        FIXED + 'classes = ["cat", "dog"]\nmodel = ["a.onnx", "efficientnet-lite0", {model = "efficientnet-lite2"}]\n'
    )
    teacher = load_recipe(write(tmp_path, text)).teacher
    assert teacher.train and teacher.is_fixed
    assert [(one.model, one.input_size) for one in teacher.trained_members] == [
        ("efficientnet-lite0", 224), ("efficientnet-lite2", 260),
    ]  # fmt: skip
    assert [one.classes for one in teacher.members()] == [("cat", "dog"), (), ()]
    with pytest.raises(RecipeError, match="needs a teacher that already knows the classes"):
        load_recipe(write(tmp_path, text + '[distill]\nlabels = "none"\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "t.pt"\n', r"torch\.onnx\.export"),
        ('model = "t.onnx"\nhead = "mlp"\n', r'head = "mlp" is for encoders: files with train = true'),
        ('model = ["a.onnx"]\naverage = "features"\n', r'average = "features" is for encoders'),
        ('model = "t.onnx"\ntrain = true\nfine_tune_blocks = 2\n', r"t\.onnx gives features.*Leave fine_tune_blocks"),
        ('model = "t.onnx"\ntrain = true\nself_train = "auto"\n', r"gives features and is used as it is"),
        ('model = "t.onnx"\ntrain = true\nclasses = ["a", "b"]\n', r"classes: .*t\.onnx gives features"),
        (
            'model = ["a.onnx", {model = "b.onnx", classes = ["a", "b"]}]\ntrain = true\n',
            r"classes: .*a\.onnx, b\.onnx give features",
        ),
        ('model = "t.onnx"\nfine_tune_blocks = 2\n', r"fine_tune_blocks = 2 needs train = true"),
        ('model = "t.onnx"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n', r"mean and std of pixels in which range\?"),
        ('model = "t.onnx"\nclasses = "none.txt"\n', r"teacher\.classes: .*none\.txt"),
        (
            'model = ["a.onnx", {model = "b.onnx", chanels = "bgr"}]\n',
            r"'teacher\.model\.1\.chanels'; .*'teacher\.model\.channels'",
        ),
        ('model = ["a.onnx", "efficientnet-lite0"]\ntrain = false\n', r"train = false: efficientnet-lite0 knows other"),
        (
            'model = ["a.onnx", {model = "efficientnet-lite0", pixel_range = [0, 1]}]\n',
            r"pixel_range: for a teacher's file; efficientnet-lite0 has them already",
        ),
        ("pixel_range = [0, 1]\n", r"pixel_range: for a teacher's file; efficientnet-lite0 has them already"),
        ("model = []\n", r"names no teacher"),
    ],
)
def test_teachers_that_cannot_be_meant(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, FIXED + text))


def test_a_slice_is_of_the_teacher_or_the_built_in_network(tmp_path: Path) -> None:
    foreign = MINIMAL + '[teacher]\nmodel = "t.onnx"\n'
    assert load_recipe(write(tmp_path, foreign)).cut_network == "efficientnet-lite0"
    assert load_recipe(write(tmp_path, MINIMAL)).cut_network is None
    for name in ("efficientnet-lite0", "efficientnet-lite2"):
        assert load_recipe(write(tmp_path, MINIMAL + f'[student]\ncut_from = "{name}"\n')).cut_network == name
    with pytest.raises(RecipeError, match=r"t\.onnx is not a Keras model that can be cut\. Leave cut_from out"):
        load_recipe(write(tmp_path, foreign + '[student]\ncut_from = "teacher"\n'))


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ("slice:99", "has 16 blocks: slice:1 to slice:16, not slice:99"),
        ("slice:8-9@64", "has no block 9 that could be"),
    ],
)
def test_a_slice_that_the_built_in_network_does_not_have(tmp_path: Path, student: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, MINIMAL + f'[student]\nmodel = "{student}"\n'))
    # Another teacher may have more.
    load_recipe(write(tmp_path, MINIMAL + f'[teacher]\nmodel = "t.keras"\n[student]\nmodel = "{student}"\n'))


def test_the_larger_networks_have_their_own_size_and_blocks(tmp_path: Path) -> None:
    lite2 = MINIMAL + '[teacher]\nmodel = "efficientnet-lite2"\n[student]\nmodel = "slice:%d"\n'
    assert load_recipe(write(tmp_path, lite2 % 21)).teacher.input_size == 260
    with pytest.raises(RecipeError, match="efficientnet-lite2 has 21 blocks: slice:1 to slice:21, not slice:22"):
        load_recipe(write(tmp_path, lite2 % 22))


@pytest.mark.parametrize(
    ("teacher", "trained"),
    [
        ("", True), ('model = "keras:MobileNetV2"\n', True), ('model = "t.keras"\n', True),
        ('model = ["efficientnet-lite0", "efficientnet-lite2"]\n', True),
        ('model = ["efficientnet-lite0", "t.onnx"]\n', True), ('model = "t.keras"\ntrain = false\n', False),
        ('model = "t.onnx"\n', False), ('model = "t.onnx"\ntrain = true\n', False),
        ('model = ["a.onnx", "b.tflite"]\n', False), ('model = ["a.onnx", "b.tflite"]\ntrain = true\n', False),
        ('model = "t.onnx"\nwords = "words.npz"\n', False),
        ('model = "t.onnx"\nwords = "words.npz"\ntrain = true\n', False),
    ],
)  # fmt: skip
def test_what_is_trained_here_is_trained_as_far_as_held_out_photos_gain(
    tmp_path: Path, teacher: str, trained: bool
) -> None:
    section = load_recipe(write(tmp_path, f"{MINIMAL}[teacher]\n{teacher}")).teacher
    assert (section.fine_tune_blocks, section.self_train) == (("auto", "auto") if trained else (0, "off"))
    # A recipe that is spelled out says the same.
    assert type(section).model_validate(section.model_dump(mode="json", exclude_none=True)) == section
