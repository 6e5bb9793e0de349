"""Accuracy of any file by the runtime that ships, and the teacher's gates."""
