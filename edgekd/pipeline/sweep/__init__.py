"""Many students of one teacher: each a complete run, with the shared stages done once.

check_students   every student is built before any is trained
student_run      one student's run, the shared stages linked
sweep            all of them
records          what a sweep gives
summary          from the finished runs to the table
choose           the front and the winner
on_devices       files on the devices that conditions name
pool_answers     the teacher's answers on photos without labels
pick             the language of ``--pick``
"""
