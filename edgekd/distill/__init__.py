"""Objectives, a file each; ``table`` names them for recipes, ``bind`` ties one to a student and its teacher."""
