"""A run: stages over one directory, each skipped when its inputs have not changed."""
