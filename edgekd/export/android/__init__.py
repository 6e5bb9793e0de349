"""A tested .tflite in an Android app: the file, the Kotlin that runs it, and an instrumented test with golden vectors.

- ``add``: writes them into a module, and updates them later
- ``module``: which folder is the module, and where its sources are
- ``gradle``: the lines that its build needs, as the module writes them
"""

from edgekd.export.android.add import AndroidFiles, add_to_android
from edgekd.export.android.gradle import gradle_lines
from edgekd.export.android.module import AndroidModule, find_module

__all__ = ["AndroidFiles", "AndroidModule", "add_to_android", "find_module", "gradle_lines"]
