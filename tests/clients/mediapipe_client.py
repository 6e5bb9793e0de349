"""What MediaPipe Tasks says of photos: ``python mediapipe_client.py MODEL.tflite ... < paths``, JSON on stdout.

Runs in an environment of MediaPipe's own and knows nothing of edgekd: labels, range, names and thresholds come out of
the files. There is a list of answers for each file, the most probable category first; none may be left.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision


def main(models: list[str], paths: list[str]) -> None:
    json.dump({"mediapipe": mp.__version__, "answers": [ask(model, paths) for model in models]}, sys.stdout)


def ask(model: str, paths: list[str]) -> list[dict[str, Any]]:
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    answers = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in paths:
            (head,) = classifier.classify(mp.Image.create_from_file(path)).classifications
            scores = {category.category_name: category.score for category in head.categories}
            top = head.categories[0].category_name if head.categories else None
            answers.append({"path": path, "top": top, "scores": scores, "head": head.head_name})
    return answers


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.read().splitlines())
