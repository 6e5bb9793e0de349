"""What MediaPipe Tasks says of photos: ``python mediapipe_client.py MODEL.tflite < paths``, a JSON list on stdout.

Runs in an environment of MediaPipe's own and knows nothing of edgekd: labels, range and names come out of the file.
"""

from __future__ import annotations

import json
import sys

import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision


def main(model: str, paths: list[str]) -> None:
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    answers = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in paths:
            (head,) = classifier.classify(mp.Image.create_from_file(path)).classifications
            scores = {category.category_name: category.score for category in head.categories}
            answers.append(
                {"path": path, "top": head.categories[0].category_name, "scores": scores, "head": head.head_name}
            )
    json.dump({"mediapipe": mp.__version__, "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.read().splitlines())
