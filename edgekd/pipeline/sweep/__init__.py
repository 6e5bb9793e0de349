"""Many students from one teacher: their runs, the check before training, the pick."""
