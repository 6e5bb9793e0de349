"""Past one machine: who does independent pieces of work, and where what they write is kept."""
