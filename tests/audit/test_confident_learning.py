"""Confident learning against values worked by hand, and on labels that were changed on purpose."""

from __future__ import annotations

import numpy as np

from edgekd.audit.confident_learning import find_label_issues


def judged(probabilities: np.ndarray) -> np.ndarray:
    return np.ones(probabilities.shape, np.bool_)


def test_thresholds_counts_and_joint_are_those_of_the_paper() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    first = np.array([0.9, 0.8, 0.7, 0.1, 0.2, 0.4])
    probabilities = np.column_stack([first, 1 - first])
    found = find_label_issues(labels, probabilities, judged(probabilities))
    # Mean self-confidence: (0.9 + 0.8 + 0.7 + 0.1) / 4 and (0.8 + 0.6) / 2.
    assert np.allclose(found.thresholds, [0.625, 0.7])
    # Photo 3 is confident in class 1; photo 5 is confident in neither.
    assert found.counts.tolist() == [[3, 1], [0, 1]]
    # Rows are scaled to 4 and 2 of 6 photos.
    assert np.allclose(found.joint, np.array([[3.0, 1.0], [0.0, 2.0]]) / 6)
    assert np.isclose(found.wrong_share, 1 / 6)
    assert found.issues.tolist() == [3] and found.suggested.tolist() == [1]
    assert np.allclose(found.margins, [0.8, 0.6, 0.4, -0.8, 0.6, 0.2])


def test_a_class_that_the_head_has_not_learnt_is_neither_suggested_nor_doubted() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array(
        [[0.9, 0.1, 0], [0.8, 0.2, 0], [0.1, 0.1, 0.8], [0.1, 0.9, 0], [0.2, 0.8, 0], [0.9, 0.1, 0]]
    )
    known = judged(probabilities)
    known[:, 2] = False
    found = find_label_issues(labels, probabilities, known)
    assert found.issues.tolist() == [] and np.isnan(found.thresholds[2]) and found.counts[2].tolist() == [0, 0, 0]


def test_changed_labels_are_found_and_the_most_doubtful_come_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 2000)
    logits = rng.normal(0, 1, (2000, 4))
    logits[np.arange(2000), truth] += 5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    changed = np.sort(rng.choice(2000, 100, replace=False))
    labels = truth.copy()
    labels[changed] = (truth[changed] + rng.integers(1, 4, 100)) % 4
    found = find_label_issues(labels, probabilities, judged(probabilities))
    hits = np.isin(found.issues, changed)
    assert hits.sum() > 90 and hits[:50].mean() > 0.95 and hits[:50].mean() >= hits.mean()
    assert (found.suggested[hits] == truth[found.issues[hits]]).mean() > 0.95
    assert abs(found.wrong_share - 0.05) < 0.02
    assert (np.diff(found.margins[found.issues]) >= 0).all()
    # Without a wrong label next to none is doubted.
    clean = find_label_issues(truth, probabilities, judged(probabilities))
    assert len(clean.issues) < 30
