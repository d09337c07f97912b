//! What a text shows: emotion, body, goal, consent, and the like. Whole words, with negation, never substrings.
