//! What responses carry, and what is left of the application's own.
