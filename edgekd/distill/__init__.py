"""Objectives and the one training loop that serves them all."""
