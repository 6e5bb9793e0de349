"""How sure a file may be, and when its answer is none of these: temperatures, rejection and thresholds of tags.

All of it is fitted for one file after its quantization, from that file's own scores of validation photos, and stands in
the file: the temperature in the graph, the rest in its record as a `edgekd.formats.decision.Decision`. Order of use:
``fit.fit_file`` runs a converted .tflite and calls ``temperature``, ``rejection`` and ``thresholds``; ``graph`` writes
the temperature into the .tflite; ``quality`` measures probabilities. ``for_model`` fits every precision of a Keras
model, and ``sentences`` says what was fitted.
"""
