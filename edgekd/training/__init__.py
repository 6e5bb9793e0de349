"""The one training loop, resumable to the bit, that teachers and students share."""
