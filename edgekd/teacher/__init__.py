"""Teachers of every format, and how they learn a task."""
