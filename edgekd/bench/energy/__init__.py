"""Energy of an inference: power beside blocks of inferences and of rest, idle subtracted; never imports TensorFlow.

measure      from what the user asks for to the record       plan         how long and how often
records      what is recorded: blocks, the trace of power    sources/     what tells power on a device, a file each
sampler      reads a source on the device                    session      runs the blocks on a device
clocks       laying a meter's log over the blocks            windows      mean power of a block, how coarse it is
summary      joules, watts and hours with their intervals    validity     whether they may be believed
"""

from __future__ import annotations
