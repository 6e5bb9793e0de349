"""The same file on every accelerator of this machine, and whether half precision is enough for it.

same_answers     a .tflite on CPU and GPU: taken whole or not, largest difference, answers that flip
records          what that showed, which a benchmark's result holds too
run_on           one accelerator, in a child process (``child``); ``vulkan`` finds the driver
left_ops         the ops that an accelerator does not take
half_precision   the verdict about fp16
ranges, sums     interval arithmetic: intervals, what an op adds up
rules            a rule an op; ``elementwise`` has those of single values
observe          ranges measured on photos, in a child process (``observe_child``); ``exact_sums``
graph            the graph of either format
"""
