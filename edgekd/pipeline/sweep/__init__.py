"""Many students of one teacher: each a complete run, with the shared stages done once.

check_students   every student is built before any is trained
student_run      one student's run, the shared stages linked
sweep            all of them
records          what a sweep gives
choose           the front and the winner
pick             the language of ``--pick``
"""
