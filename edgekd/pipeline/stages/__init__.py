"""The stages of a run, a file each, named as in a run's directory."""
