"""What a run's teacher knows of its photos: labels to look at again, and what to photograph and label next.

held_out              probabilities for labelled photos from heads that have not seen them
confident_learning    which labels are probably wrong
doubtful              photos to look at: doubtful labels, duplicates with two labels, photos like nothing else
outliers              how far each photo's features are from all others
confusable            pairs of classes that can't be told apart
findings              all of these, as sections and as the photos to go through
section               a part of the result: sentences, a table and photos, for the terminal, the page and audit.json
page                  the page on which a person keeps, changes or drops photos
"""
