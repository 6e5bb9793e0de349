"""Small networks: the zoo, slices of a teacher, and the user's own."""
