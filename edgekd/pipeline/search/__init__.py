"""The search for the best student within a budget, cheap looks first.

early         what a budget asks for that can't be had
looking       the search itself: each look is at fewer candidates
looks         those that workers can take at the same time
taking        takes these, by the workers of the run
candidates    designs that fill the budget, by shapes and by how much of each block survives
predict       what an int8 file will cost, from shapes and the files measured so far
measure       what an int8 file costs: bytes, MACs, arena, and latency or instructions on a device; its gates
costing       candidates that are within the budget by a measurement
source        what candidates are cut from, and candidates as Keras models
quality       how well features serve a linear head
trial         a short training on stored soft targets, and its score
timing        how long the run has taken, and how long what is left will take
trainings     how long the trainings of the chosen student take
record        what was looked at, on disk
"""
