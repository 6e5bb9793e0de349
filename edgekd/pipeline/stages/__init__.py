"""The stages of a run, in the order of `edgekd.pipeline.stage_table`; each module has ``run(context)``.

    data            the photos: read, checked, grouped and split
    teacher         a network that knows the user's classes
    extra_targets   stored soft targets of further photos
    search          which student, where the recipe says "auto"
    start           the student before any training
    scratch         the student trained on labels alone
    teacher_gates   whether the teacher is worth learning from
    soft_targets    the teacher's logits for every view of every training photo
    features        the teacher's feature maps, for objectives that compare them
    distill         the student trained on the soft targets
    quantize        the int8 .tflite, where more than one conversion decides
    decide          temperature, rejection and thresholds of every file
    export          every file
    check           every file scored over the test photos; the gates
    seeds           later seeds' students
    bench           latencies on this machine
    report          HTML, Markdown and JSON

A module may also have ``check(recipe)``, which finds what would fail late before anything is done.
"""
