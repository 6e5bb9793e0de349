"""Students: small networks that are trained to match a teacher.

spec           which student, as a short text: ``slice:8@160``, ``cnn:16@96``, ``mine.keras``
build          from that text to a Keras model
cnn            small depthwise-separable networks
slice          the first blocks of a teacher, with their weights
narrow         fewer channels within each block of a slice
bottleneck     inverted residual blocks in the graph of a model
cost           what slices cost, by shapes alone
survival       how much of each block is lost with fewer channels
"""

from edgekd.students.build import FixedTeacher, build_student
from edgekd.students.spec import StudentSpec, parse_student

__all__ = ["FixedTeacher", "StudentSpec", "build_student", "parse_student"]
