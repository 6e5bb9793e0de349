"""Photos and labels: reading, checking, splitting and the seeded views of them."""
