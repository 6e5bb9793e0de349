"""What a run's teacher knows of its photos: labels to look at again, and what to photograph and label next.

section          a part of the result: sentences, a table and photos, for the terminal, the page and audit.json
"""
