"""From a float student to integer arithmetic."""
