"""Teachers of every format, how they learn a task, and the stored column of their logits."""
