"""What a run's teacher knows of its photos: labels to look at again, and what to photograph and label next.

held_out              probabilities for labelled photos from heads that have not seen them
confident_learning    which labels are probably wrong
doubtful              photos to look at: doubtful labels, duplicates with two labels, photos like nothing else
outliers              how far each photo's features are from all others
confusable            pairs of classes that can't be told apart
findings              all of these, as sections and as the photos to go through
labelled_features     labelled photos as features, and what heads score on them
rehearsal             what parts of the labels would have taught
power_law             the curve through these, and what it leaves open
learning_curve        what more labels bring, by this curve
suggest               which photos of the pool to label first
next_labels           these two, as sections
section               a part of the result: sentences, a table and photos, for the terminal, the page and audit.json
page                  the page on which a person keeps, changes or drops photos
"""
