"""Renders what a run directory holds; decides nothing."""
