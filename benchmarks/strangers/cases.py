"""The cases: what each is, what is right, what the first version did, and the judgement of what happens now."""

from __future__ import annotations

from dataclasses import dataclass

from judgements import (
    UNSURE,
    Judge,
    exports,
    judge_byte_order_mark,
    judge_custom,
    judge_float_edges,
    judge_free_dimensions,
    judge_free_size,
    judge_h5,
    judge_hostile,
    judge_keras2,
    judge_label_dictionary,
    judge_label_order,
    judge_layer_norm,
    judge_list_output,
    judge_mutant,
    judge_nan,
    judge_numeric_names,
    judge_outlier,
    judge_pixel_range,
    judge_split_folders,
    judge_suffixes,
    judge_two_classes,
    judge_windows_csv,
    labels_photos,
    refuses,
    refuses_or_exports,
    trains_and_labels,
)


@dataclass(frozen=True)
class Case:
    """A row of the table. ``needs`` is the file of the cases' folder without which it is left out."""

    name: str
    what: str
    expected: str
    before: str
    judge: Judge
    needs: str
    short: bool = False


CASES = (
    Case("m28_norm fixed", "Normalization adapted on 0..255, as [teacher] with train = false", "labels 100 %",
         "50 %, loss 277", labels_photos("models/m28_norm.keras"), "models/m28_norm.keras", True),
    Case("m28_norm trained", "the same with train = true, saved and loaded again", "labels at least 95 %",
         "validation 91.7 %, the reloaded teacher 33.3 %, exit 0", trains_and_labels("models/m28_norm.keras"),
         "models/m28_norm.keras"),
    Case("m28_norm export", "the same by export --int8", "both formats as Keras, 100 %",
         "an error about uint8 and its record", exports("models/m28_norm.keras"), "models/m28_norm.keras"),
    Case("s04_caffe", "resnet.preprocess_input inside", "both formats as Keras, 100 %", "the same export error",
         exports("models/s04_caffe.keras"), "models/s04_caffe.keras"),
    Case("m01_unit", "takes 0..1", "refused with --pixel-range; with it 100 %", "53 %, every gate passes, exit 0",
         judge_pixel_range, "models/m01_unit.keras", True),
    Case("m35_order", "outputs in the order red, yellow, green", "refused with that order; --classes gives 100 %",
         "four files, all pass, accuracy 0 %, exit 0", judge_label_order, "models/m35_order.keras", True),
    Case("m05_logits numbers", "classes 1, 10, 2, without and with split folders", "one order: 100 % in both",
         "33 % with split folders", judge_numeric_names, "models/m05_logits.keras"),
    Case("m11_dyn", "input (None, None, 3)", "refused with --input-size; with it 100 %", "a traceback",
         judge_free_size, "models/m11_dyn.keras"),
    Case("m08_multiin", "two inputs", "one clear error", "a traceback",
         refuses("models/m08_multiin.keras", "two inputs|2 inputs|one input"), "models/m08_multiin.keras"),
    Case("z1_tabular", "ten numbers, no image", "one clear error", "a traceback",
         refuses("models/z1_tabular.keras", "image"), "models/z1_tabular.keras"),
    Case("l07_gelu", "GELU", "both formats as Keras", "no .onnx: report this with the model",
         exports("models/l07_gelu.keras"), "models/l07_gelu.keras"),
    Case("l19_groupconv", "grouped convolution", "both formats as Keras", "no .onnx: report this with the model",
         exports("models/l19_groupconv.keras", *UNSURE, accuracy=0.0), "models/l19_groupconv.keras"),
    Case("l12_layernorm", "LayerNormalization", "exported, or the option is named; --max-drop does it",
         "ops stayed float, replace these layers; --max-drop does not help", judge_layer_norm,
         "models/l12_layernorm.keras"),
    Case("m10_mixed", "saved under mixed_float16", "both formats as Keras, 100 %", "refused with an untrue reason",
         exports("models/m10_mixed.keras"), "models/m10_mixed.keras"),
    Case("k2_dw", "Keras 2, .keras and .h5", "called Keras 2, with a way out", "Keras 2 is never named",
         judge_keras2, "models/k2_dw.keras"),
    Case("m17_keras3.h5", "Keras 3, legacy file", "export, teacher and student take it",
         "export takes it, teacher and student refuse it", judge_h5, "models/m17_keras3.h5"),
    Case("m04_sig1, b1logit", "one sigmoid; one logit in .onnx", "two classes in export and as teachers",
         "export refuses it, impossible hint", judge_two_classes, "models/m04_sig1.keras"),
    Case("m06_sig3", "three sigmoids: several tags", "one clear error, or as Keras", "refused",
         refuses_or_exports("models/m06_sig3.keras", "sigmoid|tags|sum to 1"), "models/m06_sig3.keras"),
    Case("m09_gray", "one channel", "one clear error, or as Keras", "refused",
         refuses_or_exports("models/m09_gray.keras", "channel|grey|gray|RGB"), "models/m09_gray.keras"),
    Case("q01_outlier", "one activation channel 3000 times the others",
         "--max-drop 2 is met, or nothing is written; --ranges percentile gives 100 %",
         "it holds, then another gate fails, eight files written", judge_outlier, "models/q01_outlier.keras"),
    Case("q07_nan", "a NaN weight", "names NaN and the layer", "report this with the model", judge_nan,
         "models/q07_nan.keras"),
    Case("l41_custom", "registered custom layer", "the layer and --import are named; with it as Keras",
         "the cause is cut off, no option", judge_custom, "models/l41_custom.keras"),
    Case("listout", "keras.Model([x], [y])", "export, teacher and student take it", "AttributeError traceback",
         judge_list_output, "models/listout.keras"),
    Case("o7_dictorder", "names = {2: yellow, 0: green, 1: red}", "labels by number; as teacher 100 %",
         "in the order of writing, as teacher 0 %", judge_label_dictionary, "onnx/o7_dictorder.onnx"),
    Case("o4_alldyn", "all dimensions free, NCHW", "inspect runs it with 3 channels", "does not run",
         judge_free_dimensions, "onnx/o4_alldyn.onnx"),
    Case("t5_floatio", "int8 inside, float32 at the edges", "a finding", "no word", judge_float_edges,
         "tflite/t5_floatio.tflite"),
    Case("suffixes", "class folders of only .jfif, .jpe, .mpo", "read (100 %), or named with the reason",
         "no photo that can be used", judge_suffixes, "models/m05_logits.keras"),
    Case("split folders", "Training/ Testing/; clean/ littered/ unlabelled/",
         "read as splits with classes and counts printed, or refused by name", "became classes, silently",
         judge_split_folders, "models/m05_logits.keras"),
    Case("byte order mark", "labels.txt from Notepad", "read as meant, 100 %", "does not know green",
         judge_byte_order_mark, "models/m05_logits.keras"),
    Case("Windows CSV", r"a CSV with green\photo.jpg", "read (100 %), or the cause named",
         "say where they are with images=, which was said", judge_windows_csv, "models/m05_logits.keras"),
    Case("mutant", "crafted .tflite with a seal that fits", "one clear error in five commands, no signal",
         "segmentation fault, silent", judge_mutant, "tflite/mutant.tflite"),
    Case("hostile SavedModel", "a serialized graph inside the graph writes a file", "refused by name, no file",
         "the file is written, exit 0", judge_hostile, "models/m05_logits.keras"),
)  # fmt: skip
