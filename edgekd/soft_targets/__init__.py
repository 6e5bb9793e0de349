"""The teacher's stored logits for every (photo, view): the store, computing it, photo lists, several stores as one."""
