"""A run: stages over one directory, each skipped while nothing that it depends on has changed.

stage_table         the stages in their order, and what each needs
stage               a run directory: doing a stage once; who watches
context             what the stages of a run share
run                 a recipe's stages, up to any of them
stages/             a stage a file, named as its folder in the run's directory
sweep/              many students of one teacher
search/             the best student within a budget
run_files           the exported files that a run directory holds
teacher_training    a teacher trained on the labelled photos
trained_members     members of an average that are trained first
fixed_teacher       a teacher that is used for inference only
encoder_features    the stored features of encoders
encoder_training    heads fitted on them
soft_target_views   the views that soft targets are computed on
teacher_int8        the teacher in int8, to compare the student with
label_gates         whether labels are in the order of the outputs
shipped             which of the two students ships
validation_answers  what a model answers for the validation photos, as a run records it
tag_thresholds      thresholds of tags for the models that are only compared with
student_training    what the student's training with and without the teacher share
qat_training        quantization-aware training on a run's soft targets, or without a run
words_training      the class words of a run, and the shares of the classes that they assume
feature_table       features of a run's photos, as its teacher sees them, for `edgekd.audit`
feature_extractors  the part of a teacher that gives them
label_list          soft targets of any list of photos
"""
